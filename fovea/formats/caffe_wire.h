// The outer layer of Caffe's files: protobuf's wire format, read so that large blobs stay where they are in the file,
// and its text format.
#pragma once

#include <string>
#include <vector>

#include "caffe.pb.h"
#include "fovea/base/bytes.h"

namespace fovea {

// Parses a .caffemodel; numbers of blobs of kCaffePayload bytes and more are not copied but named by payload_offset and
// payload_size; gradients are left out. Throws Error{format} naming the byte for anything that is not such a message.
caffe::NetParameter parse_caffemodel(const Bytes& file);

// The same for a file that holds one BlobProto (.binaryproto).
caffe::BlobProto parse_caffe_blob(const Bytes& file);

// Parses a .prototxt. Fields that are not in caffe.proto are skipped; `passed_over` gets the names of those that are no
// mere training settings, each once. Throws Error{format} with the line for text that is no such message.
caffe::NetParameter parse_prototxt(const Bytes& file, std::vector<std::string>& passed_over);

constexpr size_t kCaffePayload = 1024;

}  // namespace fovea
