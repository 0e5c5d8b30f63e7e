// The layouts of activations [N,C,spatial] on the CPU. Only these three; weights may have layouts of oneDNN's own.
//   plain     row-major N,C,spatial
//   nhwc      row-major N,spatial,C (whatever the number of spatial axes)
//   nChw16c   row-major N,C/16,spatial,16: blocks of channels, the last one padded with zeros; also nChw8c
// Where two of them are the same in memory (spatial size 1) the value is called plain.
#pragma once

#include <cstdint>
#include <vector>

#include "fovea/backend/backend.h"

namespace fovea::cpu {

enum class Format { plain, channels_last, blocked8, blocked16, other };

// The format for convolutions on this machine: blocked16 with AVX-512, else blocked8.
Format blocked_format();
// 16, 8, or 1 where there are no blocks.
int64_t block_of(Format format);

// The layout of a value of this type in a format. Types without spatial axes, and types other than f32, are always
// plain.
Layout layout_in(Format format, const Type& type);
Format format_of(const Layout& layout);
// A layout for another type of the same batch and channels axes, in the format of this one.
inline Layout layout_like(const Layout& layout, const Type& type) { return layout_in(format_of(layout), type); }

// Channels were padded to a multiple of the block: memory holds zeros beyond them, and must go on doing so.
inline bool is_padded(const Type& type, const Layout& layout) { return layout.bytes != type.bytes(); }

// One of oneDNN's own layouts of f32 weights, in blocks of channels: every element is somewhere, padding is zeros.
bool is_blocked_weights(const Layout& layout);
// Where the elements of a weight of rank 4 in such a layout, or plain, are: (o,i,h,w) at o[o] + i[i] + h[h] + w[w], in
// floats.
struct WeightOffsets {
  std::vector<int64_t> o, i, h, w;
};
WeightOffsets weight_offsets(const Type& type, const Layout& layout);

// The row-major sizes that a value really has in memory: {N,C,H,W}, {N,H,W,C} or {N,C/B,H,W,B}.
std::vector<int64_t> physical_sizes(const Type& type, const Layout& layout);

// The most common format among the inputs that are not constant, blocks of channels before channels last before plain;
// plain when there is none.
Format common_format(const Request& request);

}  // namespace fovea::cpu
