#include "fovea/commands/features.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "fovea/base/counted.h"
#include "fovea/base/parallel_tasks.h"
#include "fovea/commands/code_origin.h"
#include "fovea/commands/skipped_pictures.h"
#include "fovea/data/checksum.h"
#include "fovea/data/image_folder.h"
#include "fovea/data/open_data.h"
#include "fovea/features/codes_writer.h"
#include "fovea/features/layer_codes.h"
#include "fovea/model/conventions.h"
#include "fovea/model/layers.h"
#include "fovea/model/preprocess.h"
#include "fovea/report/table.h"

namespace fs = std::filesystem;

namespace fovea {

OptionList describe(FeaturesOptions& o) {
  const OptionList model = describe(o.model);
  return OptionList{model[0],
                    {"DATA", "",
                     "the pictures: one, a folder of them (also in folders of their own, one a class), or any set "
                     "that evaluate takes",
                     &o.data, true},
                    {"-o,--output", "FILE.npz", "the file of codes to write", &o.output, true},
                    {"--layer", "NAME",
                     "whose answers the codes are; without it, the input of the last layer with weights", &o.layer},
                    {"--pool",
                     "HOW",
                     "a layer's positions: all in a row, their mean, or their greatest value; auto: the mean where "
                     "the layer was not named, else none",
                     &o.pool,
                     false,
                     {"auto", "none", "mean", "max"}},
                    {"--thumbnails",
                     "N",
                     "longer side of the small pictures kept beside the codes, for sheets, maps and distances between "
                     "pixels; 0: none",
                     &o.thumbnails,
                     false,
                     {},
                     0,
                     512},
                    {"--split", "NAME", "which part of the data", &o.split, false, {"test", "train", "val"}},
                    {"--batch",
                     "N",
                     "pictures computed at once; 0: as many as suit the network's input",
                     &o.batch,
                     false,
                     {},
                     0,
                     4096},
                    {"--limit", "N", "only the first N pictures; 0: all", &o.limit, false, {}, 0, 1e15}} +
         OptionList{model.begin() + 1, model.end()} + describe(o.engine);
}

namespace {

using Json = nlohmann::ordered_json;

// A picture, or a folder of pictures without classes, which is no labelled set.
std::unique_ptr<Dataset> loose_pictures(const std::string& name, const std::string& description) {
  std::vector<ImageFiles::Entry> entries;
  for (const fs::path& file : picture_paths({name})) entries.push_back({file, -1});
  return std::make_unique<ImageFiles>(std::move(entries), std::vector<std::string>(), description);
}

// Whatever holds pictures, or is one. A folder with pictures in it and no sub-folders, lists or arrays that make it a
// set is a set of its pictures, without labels.
std::unique_ptr<Dataset> open_pictures(const FeaturesOptions& o) {
  std::error_code error;
  if (is_picture_name(o.data) && fs::is_regular_file(o.data, error)) return loose_pictures(o.data, "one picture");
  if (!fs::is_directory(o.data, error)) return open_data(o.data, {o.split, true});
  const bool has_pictures = std::any_of(fs::directory_iterator(o.data, error), fs::directory_iterator(),
                                        [](const fs::directory_entry& entry) { return is_picture_name(entry.path()); });
  if (!has_pictures && folders_in(o.data).empty() && fs::is_empty(o.data, error))
    fail(ErrorKind::usage, "{}: this folder is empty, expected pictures", o.data);
  if (!has_pictures) return open_data(o.data, {o.split, true});
  try {
    return open_data(o.data, {o.split, true});
  } catch (const Error& refused) {
    if (refused.kind() != ErrorKind::io && refused.kind() != ErrorKind::format) throw;
    return loose_pictures(o.data, "a folder of pictures");
  }
}

// One run's worth of things.
struct Work {
  std::unique_ptr<Dataset> data;
  int64_t total = 0;
  int64_t side = 0;  // of thumbnails
  CodesOrigin origin;
  std::vector<std::string> skipped;
};

// What two runs must have in common for one to go on with the other's file.
std::string run_text(const Work& work, const FeaturesOptions& o, int64_t batch) {
  Digest names;
  for (int64_t i = 0; i < work.total; ++i) {
    const std::string name = work.data->name(i) + "\n";
    names.add(std::as_bytes(std::span(name)));
  }
  const Json json = {{"origin", codes_meta(work.origin, {}, work.data->classes())},
                     {"split", o.split},
                     {"pictures", work.total},
                     {"names", names.sha256()},
                     {"thumbnails", o.thumbnails},
                     {"batch", batch},
                     {"engine", fmt::format("{} {} {} {} {}", o.engine.backend, o.engine.exact, o.engine.bf16,
                                            o.engine.level, o.engine.tune)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// The size of all thumbnails of the run, [H,W,C]; the first picture that can be read tells.
CodesWriter::Layout layout_of(const Work& work, const LayerCodes& network) {
  CodesWriter::Layout layout{network.dimensions()};
  if (work.side == 0 || !network.preprocessing()) return layout;
  const Preprocess& how = *network.preprocessing();
  Image blank(static_cast<int>(how.crop_width), static_cast<int>(how.crop_height), 3);
  const Image small = thumbnail(blank, how, work.side);
  return {network.dimensions(), small.height(), small.width(), small.channels()};
}

// Decodes one batch into the slots of the network.
std::vector<CodeRecord> prepared(Work& work, LayerCodes& network, int64_t first, int64_t count) {
  std::vector<CodeRecord> records(static_cast<size_t>(count));
  std::vector<std::string> broken(static_cast<size_t>(count));
  parallel_tasks(count, [&](int64_t slot) {
    CodeRecord& record = records[static_cast<size_t>(slot)];
    Sample sample;
    try {
      sample = work.data->get(first + slot);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::io && error.kind() != ErrorKind::format) throw;
      record.broken = true;
      broken[static_cast<size_t>(slot)] = error.message();
      return;
    }
    record.label = sample.label;
    network.prepare(slot, sample);
    if (work.side == 0 || sample.has_values()) return;
    const Image small = thumbnail(sample.image, *network.preprocessing(), work.side);
    record.thumbnail.assign(small.samples().begin(), small.samples().end());
  });
  for (std::string& why : broken)
    if (!why.empty()) work.skipped.push_back(std::move(why));
  return records;
}

// Why pictures that an earlier process has skipped cannot be read.
void name_skipped(Work& work, const CodesWriter& writer) {
  for (const int64_t index : writer.broken()) {
    try {
      work.data->get(index);
      work.skipped.push_back(fmt::format("{}: could not be read when the run began", work.data->name(index)));
    } catch (const Error& error) { work.skipped.push_back(error.message()); }
  }
}

// Nothing can be compared with a code that holds NaN or infinity: such pictures are left out like broken ones. Throws
// Error{usage} where all of the first batch are so.
void leave_out_not_finite(Work& work, int64_t first, std::span<const float> codes, std::vector<CodeRecord>& records) {
  const size_t each = codes.size() / records.size();
  size_t known = 0, bad = 0;
  for (size_t i = 0; i < records.size(); ++i) {
    if (records[i].broken) continue;
    const auto code = codes.subspan(i * each, each);
    ++known;
    if (std::all_of(code.begin(), code.end(), [](float v) { return std::isfinite(v); })) continue;
    ++bad;
    records[i].broken = true;
    work.skipped.push_back(work.data->name(first + static_cast<int64_t>(i)) +
                           ": its code holds NaN or infinite values");
  }
  require(first > 0 || known == 0 || bad < known, ErrorKind::usage,
          "{}; `fovea activations` tells where they come from", work.skipped.empty() ? "" : work.skipped.back());
}

void fill(const Context& context, Work& work, LayerCodes& network, CodesWriter& writer, const std::string& output) {
  while (writer.done() < work.total) {
    if (context.cancelled())
      fail(ErrorKind::usage, "interrupted after {} of {} pictures; the same command goes on from there ({}.part)",
           writer.done(), work.total, output);
    context.report({"computing codes", writer.done(), work.total, ""});
    const int64_t first = writer.done(), count = std::min(network.batch(), work.total - first);
    std::vector<CodeRecord> records = prepared(work, network, first, count);
    const std::vector<float>& codes = network.run(count);
    leave_out_not_finite(work, first, std::span(codes).first(static_cast<size_t>(count * network.dimensions())),
                         records);
    for (int64_t i = 0; i < count; ++i) records[static_cast<size_t>(i)].code = codes.data() + i * network.dimensions();
    writer.append(records);
  }
  context.report({"computing codes", work.total, work.total, ""});
}

void check_output(const std::string& output) {
  require(fs::path(output).extension() == ".npz", ErrorKind::usage, "{}: codes are written as .npz; try {}", output,
          fs::path(output).replace_extension(".npz").string());
  require_writable_folder(fs::absolute(output).parent_path());
  writing([&] {
    require(!fs::is_directory(output), ErrorKind::io, "{}: is a folder, expected the name of a file to write", output);
    require(fs::is_directory(fs::absolute(output).parent_path()), ErrorKind::io, "{}: there is no folder {}", output,
            fs::absolute(output).parent_path().string());
  });
}

}  // namespace

Report run(const Context& context, const FeaturesOptions& o) {
  check_output(o.output);
  Work work;
  work.data = open_pictures(o);
  work.total = o.limit > 0 ? std::min(o.limit, work.data->size()) : work.data->size();
  work.side = o.thumbnails;
  require(work.total > 0, ErrorKind::usage, "{}: holds no pictures", o.data);
  Model model = open(context, o.model);
  const Value layer = o.layer.empty() ? last_code(model) : find_layer(model, o.layer);
  const Shape& shape = model.graph.shape(layer);
  const bool maps = shape.rank() > 2 && shape.count(2, shape.rank()) > 1;
  const std::string pool = o.pool != "auto" ? o.pool : maps && o.layer.empty() ? "mean" : "none";
  LayerCodes::Settings settings{model.graph.node(layer).name, pooling(pool), o.batch};
  if (settings.batch == 0) settings.batch = suitable_batch(model.graph.shape(data_input(model)));
  work.origin = origin_of(model, o.model, settings.layer, pool);
  work.origin.data = o.data;
  const std::string text = run_text(work, o, settings.batch);
  // The plan of an earlier process of this run is followed, so that all codes are computed alike.
  const Engine engine(o.engine);
  settings.compile = engine.compile_options;
  Report report;
  const auto start = std::chrono::steady_clock::now();
  writing([&] {
    LayerCodes probe(model, *engine.backend, settings);
    CodesWriter writer(o.output, layout_of(work, probe), text);
    if (writer.replaced()) context.note(fmt::format("{}.part was left by another run; it is begun again", o.output));
    writer.keep(writer.done() / settings.batch * settings.batch);
    const int64_t before = writer.done();
    if (before > 0) {
      context.note(fmt::format("done already: {} of {}", counted(before, "picture"), work.total));
      name_skipped(work, writer);
    } else {
      writer.remember(probe.plan());
    }
    settings.compile.plan = writer.remembered();
    if (before > 0 && probe.plan() != writer.remembered()) {
      LayerCodes same(std::move(model), *engine.backend, settings);
      fill(context, work, same, writer, o.output);
    } else {
      fill(context, work, probe, writer, o.output);
    }
    writer.finish(work.origin, work.data->classes(), [&](int64_t index) { return work.data->name(index); });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const auto skipped = static_cast<int64_t>(work.skipped.size());
    report.text =
        fmt::format("{}: {}, {} each: {}{} of {} ({})\n", coloured(o.output, Ink::bold),
                    counted(work.total - skipped, "picture"), counted(probe.dimensions(), "number"),
                    pool == "none" ? "" : fmt::format("the {} of ", pool == "max" ? "greatest values" : pool),
                    printable(settings.layer), printable(work.origin.network), to_string(probe.layer_shape()));
    report.text += fmt::format("in {}: {} pictures a second\n", short_time(seconds),
                               short_number(static_cast<double>(work.total - before) / std::max(seconds, 1e-9)));
    report.text += skipped_text(work.skipped, false, "--json lists all");
    report.files = {o.output};
    report.set_json({{"output", o.output},
                     {"pictures", work.total - skipped},
                     {"dimensions", probe.dimensions()},
                     {"layer", printable(settings.layer)},
                     {"layer_shape", probe.layer_shape()},
                     {"pool", pool},
                     {"network", printable(work.origin.network)},
                     {"fingerprint", work.origin.fingerprint},
                     {"resumed_at", before},
                     {"seconds", seconds},
                     {"skipped", work.skipped}});
  });
  return report;
}

Command features_command() {
  return make_command<FeaturesOptions>(
      "features", "what one layer answers to every picture of a set, as a file of codes",
      "Runs a set of pictures through a network and writes the answers of one layer, a row a picture, to a .npz file "
      "that NumPy reads too; `neighbours` and `map` start from it. Only a batch is in memory. When it is interrupted, "
      "the same command goes on where it stopped and writes the same bytes. Pictures that cannot be read are named, "
      "left out and counted.",
      {{"fovea features builtin:cifar10 cifar10 -o codes.npz", "the codes before the scores, of the test set"},
       {"fovea features alexnet photos/ -o codes.npz --layer fc7", "a layer by name, a folder of pictures"},
       {"fovea features model.onnx photos/ -o codes.npz --layer inception_4c --pool mean", "a number a channel"}},
      run);
}

}  // namespace fovea
