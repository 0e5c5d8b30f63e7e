// The one place that knows which oneDNN this is: 2.6 (as packaged by Debian 12) or 3.x. Everything else is written
// against this.
#pragma once

#include <dnnl.hpp>

#include <memory>
#include <string>
#include <vector>

#include "fovea/backend/cpu/layouts.h"

namespace fovea::onednn {

using Desc = dnnl::memory::desc;
using Dims = dnnl::memory::dims;

const dnnl::engine& engine();
const dnnl::stream& stream();
std::string version();          // "oneDNN 2.6.3 N/A"
std::string instruction_set();  // "avx512_core_bf16"
// How many floats a vector register holds: 16 with AVX-512, else 8.
int64_t vector_floats();

// Whether products of bf16 operands are faster than those of f32 here.
bool has_bf16();
// Whether such products have tiles of registers (AMX).
bool has_amx();

// What the elements of an f32 value are stored as.
enum class Storage { f32, bf16 };
// Row-major; a scalar becomes {1}.
Desc plain_desc(const Dims& sizes, Storage storage = Storage::f32);
Desc strided_desc(const Dims& sizes, const Dims& strides, Storage storage = Storage::f32);
// Let the primitive choose.
Desc any_desc(const Dims& sizes, Storage storage = Storage::f32);
Desc desc_in(cpu::Format format, const Dims& sizes, Storage storage = Storage::f32);
// Weights [O,I,H,W] in blocks of vector_floats() channels each way, output channels innermost.
Desc blocked_weights_desc(const Dims& sizes);
Dims sizes_of(const Desc& desc);
Storage storage_of(const Desc& desc);
// Whether elements stand in strides and blocks, and not in an order of oneDNN's own.
bool is_blocked(const Desc& desc);
// For each axis, by how many elements each of its positions moves an element: sums of one a axis are offsets.
std::vector<std::vector<int64_t>> axis_offsets(const Desc& desc);
// Of an f32 value in one of our layouts or in one that a primitive chose.
Desc desc_of(const Type& type, const Layout& layout);
// A layout that a primitive wants: weights, their gradients, and operands in bf16. "plain" when it is row-major f32.
Layout layout_of(const Desc& desc);

// Attributes of every primitive: scratchpad given by us.
dnnl::primitive_attr attributes();
void append_relu(dnnl::post_ops& ops);

namespace detail {
template <class T>
concept HasOperationDescriptor = requires {
  typename T::desc;
};  // 2.x
}  // namespace detail

// The primitive descriptor for the given attributes and operation arguments (3.x order, without engine, attributes and
// hint); empty where oneDNN has none, or only its reference loop.
template <class Primitive, class... Args>
typename Primitive::primitive_desc describe(const dnnl::primitive_attr& attributes, const Args&... arguments) {
  typename Primitive::primitive_desc result;
  try {
    if constexpr (detail::HasOperationDescriptor<Primitive>)
      result = typename Primitive::primitive_desc(typename Primitive::desc(arguments...), attributes, engine(), true);
    else result = typename Primitive::primitive_desc(engine(), arguments..., attributes, true);
  } catch (const dnnl::error&) { return {}; }
  return result;
}

// The same for a backward primitive, which wants the forward one as a hint.
template <class Primitive, class Hint, class... Args>
typename Primitive::primitive_desc describe_backward(const dnnl::primitive_attr& attributes, const Hint& hint,
                                                     const Args&... arguments) {
  typename Primitive::primitive_desc result;
  if (!hint) return result;
  try {
    if constexpr (detail::HasOperationDescriptor<Primitive>)
      result =
          typename Primitive::primitive_desc(typename Primitive::desc(arguments...), attributes, engine(), hint, true);
    else result = typename Primitive::primitive_desc(engine(), arguments..., hint, attributes, true);
  } catch (const dnnl::error&) { return {}; }
  return result;
}

// Names differ between the versions.
#if DNNL_VERSION_MAJOR < 3
using Pooling = dnnl::pooling_v2_forward;
using PoolingGradient = dnnl::pooling_v2_backward;
using Softmax = dnnl::softmax_v2_forward;
#else
using Pooling = dnnl::pooling_forward;
using PoolingGradient = dnnl::pooling_backward;
using Softmax = dnnl::softmax_forward;
#endif
inline constexpr auto kInference = dnnl::prop_kind::forward_inference;
inline constexpr auto kTraining = dnnl::prop_kind::forward_training;

dnnl::lrn_forward::primitive_desc describe_lrn(const Desc& x, int64_t size, float alpha, float beta, float bias);

// c [rows,columns] = aᵀ b of a [depth,rows] and b [depth,columns], all row-major; added to c where `more`. Threaded.
void multiply_transposed(int64_t rows, int64_t columns, int64_t depth, const float* a, const float* b, float* c,
                         bool more);

// "onednn jit_wino_4x3:avx512_core"
std::string implementation(const dnnl::primitive_desc_base& description);
// Whether this is oneDNN's slow reference loop, which must never be used unnoticed.
bool is_reference(const dnnl::primitive_desc_base& description);

// A primitive whose arguments are bound to the buffers of a step. Copies share the primitive. Called by one thread at a
// time.
class Execution {
 public:
  explicit Execution(const dnnl::primitive& primitive);
  void input(int argument, const Desc& desc, size_t index) { bind(argument, desc, From::input, index); }
  void output(int argument, const Desc& desc, size_t index) { bind(argument, desc, From::output, index); }
  void scratch(int argument, const Desc& desc, size_t offset = 0) { bind(argument, desc, From::scratch, offset); }
  void operator()(const Buffers& buffers) const;

 private:
  enum class From { input, output, scratch };
  void bind(int argument, const Desc& desc, From from, size_t index);
  struct State;
  std::shared_ptr<State> state_;
};

// The scratchpad's size in bytes.
size_t scratch_bytes(const dnnl::primitive_desc_base& description);
// Binds the scratchpad at an offset of the step's scratch.
void bind_scratchpad(Execution& execution, const dnnl::primitive_desc_base& description, size_t offset = 0);

// A conversion between two descriptors of the same sizes.
Lowering reorder(const Desc& from, const Desc& to);

}  // namespace fovea::onednn
