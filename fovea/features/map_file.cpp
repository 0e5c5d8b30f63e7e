#include "fovea/features/map_file.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "fovea/base/error.h"
#include "fovea/formats/npy_read.h"
#include "fovea/formats/npy_write.h"
#include "fovea/formats/zip_file.h"
#include "fovea/formats/zip_stream.h"

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kPlacingNeighbours = 15;
constexpr double kPlacingPerplexity = 5;

void add_array(ZipStream& zip, const std::string& name, const Tensor& tensor) {
  const std::vector<std::byte> bytes = npy_bytes(tensor);
  zip.add(name + ".npy", bytes);
}

Tensor array_of(ZipFile& zip, const std::string& name, DType dtype, int64_t rank, const std::string& where) {
  const ZipFile::Entry* entry = zip.find(name + ".npy");
  require(entry != nullptr, ErrorKind::format, "{}: holds no array {}; it is no whole map", where, name);
  Tensor tensor = read_npy(zip.read(*entry));
  require(tensor.dtype() == dtype && tensor.rank() == rank, ErrorKind::format,
          "{}: {} is {} {}, expected {} of rank {}", where, name, to_string(tensor.dtype()), to_string(tensor.shape()),
          to_string(dtype), rank);
  return tensor;
}

RowSource reduced(const MapFile& map, const Codes& codes) {
  if (map.pca.count() == 0) return rows_of(codes.values);
  return rows_of(project(map.pca, rows_of(codes.values)));
}

}  // namespace

bool is_map_file(const std::filesystem::path& path) {
  const Bytes file = Bytes::map(path);
  return file.view().starts_with("PK") && ZipFile(file).find("positions.npy") != nullptr;
}

void write_map(const std::filesystem::path& path, const MapFile& map) {
  ZipStream zip(path);
  add_codes_entries(zip, map.codes);
  const Json json = {
      {"format", "fovea map 1"},      {"method", map.method},           {"start", map.start},
      {"repulsion", map.repulsion},   {"perplexity", map.perplexity},   {"iterations", map.iterations},
      {"divergence", map.divergence}, {"history", map.history},         {"note", map.note},
      {"pca", map.pca.method},        {"variances", map.pca.variances}, {"total_variance", map.pca.total_variance}};
  const std::string text = json.dump(1) + "\n";
  zip.add("map.json", std::as_bytes(std::span(text)));
  const int64_t count = map.positions.count();
  Tensor positions(DType::f32, {count, 2});
  for (int64_t i = 0; i < count; ++i) {
    positions.data<float>()[static_cast<size_t>(2 * i)] = map.positions.x[static_cast<size_t>(i)];
    positions.data<float>()[static_cast<size_t>(2 * i + 1)] = map.positions.y[static_cast<size_t>(i)];
  }
  add_array(zip, "positions", positions);
  if (map.pca.count() > 0) {
    add_array(zip, "pca_mean", Tensor::of<double>({map.pca.dimensions()}, map.pca.mean));
    add_array(zip, "pca_components", Tensor::of<float>({map.pca.count(), map.pca.dimensions()}, map.pca.components));
  }
  add_array(zip, "reduced", map.codes.values);
  zip.finish();
}

MapFile read_map(const std::filesystem::path& path) {
  const std::string where = path.string();
  const Bytes file = Bytes::map(path);
  ZipFile zip(file);
  MapFile map;
  map.codes.values = array_of(zip, "reduced", DType::f32, 2, where);
  const int64_t count = map.codes.count();
  const Tensor positions = array_of(zip, "positions", DType::f32, 2, where);
  map.codes.labels = array_of(zip, "labels", DType::i64, 1, where).to_ints();
  map.codes.indices = array_of(zip, "indices", DType::i64, 1, where).to_ints();
  if (zip.find("thumbnails.npy")) map.codes.thumbnails = array_of(zip, "thumbnails", DType::u8, 4, where);
  const ZipFile::Entry *meta = zip.find("meta.json"), *settings = zip.find("map.json");
  require(meta && settings, ErrorKind::format, "{}: holds no meta.json or map.json; it is no whole map", where);
  try {
    take_codes_meta(std::string(zip.read(*meta).view()), map.codes);
    const Json json = Json::parse(zip.read(*settings).view());
    map.method = json.at("method").get<std::string>();
    map.start = json.value("start", "");
    map.repulsion = json.value("repulsion", "");
    map.note = json.value("note", "");
    map.perplexity = json.value("perplexity", 0.0);
    map.divergence = json.value("divergence", 0.0);
    map.iterations = json.value("iterations", int64_t{0});
    map.history = json.value("history", map.history);
    map.pca.method = json.value("pca", "");
    map.pca.total_variance = json.value("total_variance", 0.0);
    map.pca.variances = json.value("variances", std::vector<double>());
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::format, "{}: map.json cannot be understood: {}", where, error.what());
  }
  const auto n = static_cast<size_t>(count);
  const Shape& pictures = map.codes.thumbnails.shape();
  require(positions.shape() == Shape({count, 2}) && map.codes.labels.size() == n && map.codes.names.size() == n &&
              map.codes.indices.size() == n && (!map.codes.has_thumbnails() || pictures[0] == count),
          ErrorKind::format, "{}: its arrays do not have the same number of rows", where);
  require(!map.codes.has_thumbnails() || pictures[3] == 1 || pictures[3] == 3, ErrorKind::format,
          "{}: its thumbnails are {}, expected [{},height,width,1 or 3]", where, to_string(pictures), count);
  const auto rows = std::as_const(map.codes.values).data<float>();
  const auto strange = std::find_if(rows.begin(), rows.end(), [](float v) { return !std::isfinite(v); });
  require(strange == rows.end(), ErrorKind::format, "{}: row {} of its rows holds a number that is not finite", where,
          (strange - rows.begin()) / std::max<int64_t>(1, map.codes.dimensions()));
  for (size_t i = 0; i < n; ++i) {
    map.positions.x.push_back(positions.data<float>()[2 * i]);
    map.positions.y.push_back(positions.data<float>()[2 * i + 1]);
    require(std::isfinite(map.positions.x[i]) && std::isfinite(map.positions.y[i]), ErrorKind::format,
            "{}: the place of row {} is not finite", where, i);
  }
  if (!zip.find("pca_mean.npy")) {
    map.pca.variances.clear();
    return map;
  }
  map.pca.mean = array_of(zip, "pca_mean", DType::f64, 1, where).to_doubles();
  const Tensor components = array_of(zip, "pca_components", DType::f32, 2, where);
  require(components.shape()[1] == map.pca.dimensions() && components.shape()[0] == map.pca.count() &&
              map.pca.count() == map.codes.dimensions(),
          ErrorKind::format, "{}: its principal components {} do not fit its rows {}", where,
          to_string(components.shape()), to_string(map.codes.values.shape()));
  map.pca.components.assign(components.data<float>().begin(), components.data<float>().end());
  return map;
}

PlanePositions place_codes(const Context& context, const MapFile& map, const Codes& codes) {
  const int64_t length = map.pca.count() > 0 ? map.pca.dimensions() : map.codes.dimensions();
  require(codes.dimensions() == length, ErrorKind::usage,
          "the new codes have {} numbers each{}, the map was made of codes of length {}{}: they must be of the same "
          "layer of "
          "the same network",
          codes.dimensions(), codes.origin.layer.empty() ? "" : fmt::format(" ({})", codes.origin.layer), length,
          map.codes.origin.layer.empty() ? "" : fmt::format(" ({})", map.codes.origin.layer));
  require(codes.origin.fingerprint == map.codes.origin.fingerprint || codes.origin.fingerprint.empty() ||
              map.codes.origin.fingerprint.empty(),
          ErrorKind::usage, "the new codes are of another network ({}) than the map ({})", codes.origin.network,
          map.codes.origin.network);
  const RowSource rows = reduced(map, codes);
  if (map.method == "pca") {
    PlanePositions result;
    std::vector<float> row(static_cast<size_t>(rows.dimensions));
    for (int64_t i = 0; i < rows.count; ++i) {
      rows.read(i, 1, row.data());
      result.x.push_back(row[0]);
      result.y.push_back(row.size() > 1 ? row[1] : 0.0f);
    }
    return result;
  }
  const RowSource ground = rows_of(map.codes.values);
  const int64_t k = std::min(kPlacingNeighbours, ground.count);
  return place_on_map(map.positions, nearest_rows(context, ground, rows, k),
                      std::min(kPlacingPerplexity, static_cast<double>(k)));
}

}  // namespace fovea
