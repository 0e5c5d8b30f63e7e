#include "fovea/features/codes.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "fovea/base/parallel_tasks.h"
#include "fovea/data/checksum.h"
#include "fovea/formats/npy_read.h"
#include "fovea/formats/npy_write.h"
#include "fovea/formats/zip_file.h"
#include "fovea/formats/zip_stream.h"
#include "fovea/graph/op.h"
#include "fovea/train/checkpoint.h"

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

void add_array(ZipStream& zip, const std::string& name, const Tensor& tensor) {
  const std::string head = npy_head(tensor.dtype(), tensor.shape());
  zip.begin(name + ".npy", head.size() + tensor.bytes());
  zip.write(bytes_of(head));
  zip.write({tensor.raw(), tensor.bytes()});
  zip.end();
}

// The first array of these names; nothing without one.
std::optional<Tensor> array_of(ZipFile& zip, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (const ZipFile::Entry* entry = zip.find(std::string(name) + ".npy")) return read_npy(zip.read(*entry));
  return std::nullopt;
}

void require_finite(const Codes& codes, const std::string& where) {
  const float* values = codes.values.data<float>().data();
  const int64_t width = codes.dimensions();
  parallel_tasks(codes.count(), [&](int64_t row) {
    float sum = 0;  // NaN and infinity go through it
    for (int64_t i = 0; i < width; ++i) sum += values[row * width + i] * 0.0f;
    require(sum == 0, ErrorKind::format, "{}: row {} ({}) holds a value that is not finite", where, row,
            codes.names[static_cast<size_t>(row)]);
  });
}

// Labels and indices as whole numbers, one a row.
std::vector<int64_t> whole(const Tensor& tensor, int64_t count, const std::string& where, const std::string& what) {
  require(tensor.count() == count, ErrorKind::format, "{}: {} rows of codes and {} {}", where, count, tensor.count(),
          what);
  if (!is_float(tensor.dtype())) return tensor.to_ints();
  std::vector<int64_t> result;
  for (const double v : tensor.to_doubles()) {
    require(v == std::floor(v) && std::abs(v) < 1e15, ErrorKind::format, "{}: {} holds {}, no whole number", where,
            what, v);
    result.push_back(static_cast<int64_t>(v));
  }
  return result;
}

void take_matrix(Codes& codes, const Tensor& matrix, const std::string& where) {
  require(matrix.rank() == 2 && matrix.shape()[0] > 0 && matrix.shape()[1] > 0, ErrorKind::format,
          "{}: its codes are {}, expected a matrix, one row a picture", where, to_string(matrix.shape()));
  codes.values = matrix.dtype() == DType::f32 ? matrix : matrix.cast(DType::f32);
}

// What a foreign file does not say.
void complete(Codes& codes, const std::string& where) {
  const auto count = static_cast<size_t>(codes.count());
  if (codes.labels.empty()) codes.labels.assign(count, -1);
  if (codes.indices.empty())
    for (size_t i = 0; i < count; ++i) codes.indices.push_back(static_cast<int64_t>(i));
  if (codes.names.empty())
    for (size_t i = 0; i < count; ++i) codes.names.push_back(fmt::format("row {}", i));
  require(codes.names.size() == count, ErrorKind::format, "{}: {} rows of codes and {} names", where, count,
          codes.names.size());
  for (size_t i = 0; i < count; ++i)
    require(codes.labels[i] >= -1, ErrorKind::format, "{}: row {} has the label {}", where, i, codes.labels[i]);
}

}  // namespace

bool Codes::has_labels() const {
  return std::any_of(labels.begin(), labels.end(), [](int64_t label) { return label >= 0; });
}

Image Codes::thumbnail(int64_t index) const {
  const auto height = static_cast<int>(thumbnails.shape()[1]), width = static_cast<int>(thumbnails.shape()[2]),
             channels = static_cast<int>(thumbnails.shape()[3]);
  const size_t size = static_cast<size_t>(height) * static_cast<size_t>(width) * static_cast<size_t>(channels);
  const uint8_t* from = thumbnails.data<uint8_t>().data() + static_cast<size_t>(index) * size;
  return Image::own(width, height, channels, std::vector<uint8_t>(from, from + size));
}

std::string Codes::class_of(int64_t index) const {
  const int64_t label = labels[static_cast<size_t>(index)];
  if (label < 0) return {};
  if (label >= static_cast<int64_t>(classes.size())) return fmt::format("class {}", label);
  const std::string& name = classes[static_cast<size_t>(label)];
  return name.substr(0, name.find(','));  // ImageNet's names are lists of synonyms
}

std::string codes_meta(const CodesOrigin& origin, const std::vector<std::string>& names,
                       const std::vector<std::string>& classes) {
  const Json json = {{"format", "fovea codes 1"},
                     {"layer", origin.layer},
                     {"pool", origin.pool},
                     {"network", origin.network},
                     {"fingerprint", origin.fingerprint},
                     {"preprocess", origin.preprocess},
                     {"data", origin.data},
                     {"options", origin.options},
                     {"classes", classes},
                     {"names", names}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

void take_codes_meta(const std::string& text, Codes& codes) {
  try {
    const Json json = Json::parse(text);
    CodesOrigin& origin = codes.origin;
    const auto take = [&](const char* key, std::string& to) { to = json.value(key, std::string()); };
    take("layer", origin.layer);
    take("pool", origin.pool);
    take("network", origin.network);
    take("fingerprint", origin.fingerprint);
    take("preprocess", origin.preprocess);
    take("data", origin.data);
    if (json.contains("options")) origin.options = json["options"].get<std::map<std::string, std::string>>();
    if (json.contains("classes")) codes.classes = json["classes"].get<std::vector<std::string>>();
    if (json.contains("names")) codes.names = json["names"].get<std::vector<std::string>>();
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::format, "meta.json cannot be understood: {}", error.what());
  }
}

Codes read_codes(const std::filesystem::path& path) {
  const Bytes file = Bytes::map(path);
  const std::string where = path.string();
  Codes codes;
  if (is_npy(file)) {
    take_matrix(codes, read_npy(file), where);
  } else {
    require(file.view().starts_with("PK"), ErrorKind::format,
            "{}: is no file of codes (a .npz archive, as `fovea features` writes it) and no .npy array", where);
    ZipFile zip(file);
    const auto matrix = array_of(zip, {"codes", "X", "x", "data", "features", "arr_0"});
    require(matrix.has_value(), ErrorKind::format,
            "{}: holds no codes: there is no array codes (nor X, x, data, features, arr_0) in it", where);
    take_matrix(codes, *matrix, where);
    if (const auto labels = array_of(zip, {"labels", "y", "target"}))
      codes.labels = whole(*labels, codes.count(), where, "labels");
    if (const auto indices = array_of(zip, {"indices"}))
      codes.indices = whole(*indices, codes.count(), where, "indices");
    if (const auto thumbnails = array_of(zip, {"thumbnails"})) {
      const Shape& s = thumbnails->shape();
      require(thumbnails->dtype() == DType::u8 && s.rank() == 4 && s[0] == codes.count() && (s[3] == 1 || s[3] == 3),
              ErrorKind::format, "{}: its thumbnails are {} {}, expected u8 [{},height,width,1 or 3]", where,
              to_string(thumbnails->dtype()), to_string(s), codes.count());
      codes.thumbnails = *thumbnails;
    }
    if (const ZipFile::Entry* meta = zip.find("meta.json")) try {
        take_codes_meta(std::string(zip.read(*meta).view()), codes);
      } catch (const Error& error) { throw error.within(where); }
  }
  complete(codes, where);
  require_finite(codes, where);
  return codes;
}

void add_codes_entries(ZipStream& zip, const Codes& codes) {
  const int64_t count = codes.count();
  zip.add("meta.json", bytes_of(codes_meta(codes.origin, codes.names, codes.classes)));
  add_array(zip, "labels", Tensor::of<int64_t>({count}, codes.labels));
  add_array(zip, "indices", Tensor::of<int64_t>({count}, codes.indices));
  if (codes.has_thumbnails()) add_array(zip, "thumbnails", codes.thumbnails);
}

void write_codes(const std::filesystem::path& path, const Codes& codes) {
  ZipStream zip(path);
  add_codes_entries(zip, codes);
  add_array(zip, "codes", codes.values);
  zip.finish();
}

std::string network_fingerprint(const Model& model) {
  Digest digest;
  const auto line = [&](const std::string& text) { digest.add(bytes_of(text + "\n")); };
  line(fingerprint(model));
  for (const auto& [name, weight] : model.weights) {
    line(fmt::format("{} {} {}", name, to_string(weight.dtype()), to_string(weight.shape())));
    digest.add({weight.raw(), weight.bytes()});
  }
  return digest.sha256().substr(0, 16);
}

}  // namespace fovea
