// A finished map in a file: what is needed to show it again and to place new points on it.
//
// A .npz archive: meta.json, labels, indices and thumbnails as in a file of codes; positions f32 [N,2]; reduced f32
// [N,d], the rows the map was made of; pca_mean f64 [D] and pca_components f32 [d,D] where those are projections of
// codes of length D; map.json with the settings.
#pragma once

#include <filesystem>
#include <string>

#include "fovea/features/codes.h"
#include "fovea/features/pca.h"
#include "fovea/features/tsne.h"

namespace fovea {

struct MapFile {
  Codes codes;              // values: the rows the map was made of, [N,d]
  PrincipalComponents pca;  // how they came of the codes; no components: they are the codes
  PlanePositions positions;
  std::string method;  // tsne, pca
  std::string start, repulsion;
  double perplexity = 0, divergence = 0;
  int64_t iterations = 0;
  std::vector<std::pair<int64_t, double>> history;  // KL after so many iterations, as TsneResult has it; or none
  std::string note;  // of the search for neighbours: its recall, where it was approximate
};

// Whether a file is one.
bool is_map_file(const std::filesystem::path& path);
// Throws Error{io}, Error{format} saying what is missing or does not agree.
MapFile read_map(const std::filesystem::path& path);
void write_map(const std::filesystem::path& path, const MapFile& map);

// New codes on a finished map, where no point of it moves: each by its 15 (or all) nearest rows, see place_on_map(); on
// a map of principal components it is their projection. Throws Error{usage} when the codes are of another length.
PlanePositions place_codes(const Context& context, const MapFile& map, const Codes& codes);

}  // namespace fovea
