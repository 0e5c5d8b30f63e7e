#include "fovea/commands/again.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>

#include "fovea/base/counted.h"
#include "fovea/base/parallel.h"
#include "fovea/commands/doctor.h"
#include "fovea/commands/picture_file.h"
#include "fovea/commands/picture_record.h"
#include "fovea/compile/choices.h"
#include "fovea/data/checksum.h"
#include "fovea/report/table.h"

namespace fs = std::filesystem;

namespace fovea {

OptionList describe(AgainOptions& o) {
  return {{"FILE", "", "a PNG that maximise, invert, dream, texture or style has written", &o.file, true},
          {"-o,--output", "FILE", "the picture made again, a .png file; else beside FILE, with -again in its name",
           &o.output},
          {"--anyway", "", "also where the network's file or a picture it was made from has changed", &o.anyway}};
}

namespace {

using Json = nlohmann::ordered_json;

std::string short_hash(const std::string& hash) { return hash.substr(0, 12); }

// Says, or throws, what is no longer as it was when the picture was made.
void compare_inputs(const Context& context, const PictureRecord& record, bool anyway) {
  for (const auto& [file, sum] : record.inputs) {
    require_file(file, "a file that the picture was made from; relative names count from the folder you are in");
    const std::string now = digest_of(file).sha256();
    if (now == sum) continue;
    const std::string said =
        fmt::format("{} has changed: its SHA-256 was {}…, now it is {}…", file, short_hash(sum), short_hash(now));
    require(anyway, ErrorKind::usage, "{}; another picture would come out (--anyway makes it)", said);
    context.note(said);
  }
  if (record.version != version())
    context.note(fmt::format("the picture was made by fovea {}, this is {}: it may come out differently",
                             record.version, version()));
}

// A folder that goes away with its files.
struct PassingFolder {
  fs::path path;
  explicit PassingFolder(const fs::path& beside) {
    std::string name = (beside / ".fovea-again-XXXXXX").string();
    writing([&] { require(::mkdtemp(name.data()), ErrorKind::io, "{}: cannot be written", beside.string()); });
    path = name;
  }
  PassingFolder(const PassingFolder&) = delete;
  ~PassingFolder() {
    std::error_code error;
    fs::remove_all(path, error);
  }
};

// The number of threads for a while.
struct Threads {
  int before = thread_count();
  explicit Threads(int count) { set_thread_count(count); }
  Threads(const Threads&) = delete;
  ~Threads() { set_thread_count(before); }
};

// Whether the record's plans can be followed here: another machine has other implementations.
bool follows_plans(const PictureRecord& record, const EngineOptions& engine) {
  const std::string here = Engine(engine).backend->fingerprint();
  return std::all_of(record.plans.begin(), record.plans.end(),
                     [&](const std::string& plan) { return parse_choices(plan).backend == here; });
}

// Of the options that say how it is computed, those that choose the backend.
EngineOptions engine_of(const OptionList& options) {
  EngineOptions engine;
  const auto text = [&](const char* name, std::string& to) {
    const Option* option = find_option(options, name);
    if (option) to = **std::get_if<std::string*>(&option->target);
  };
  const auto flag = [&](const char* name, bool& to) {
    const Option* option = find_option(options, name);
    if (option) to = **std::get_if<bool*>(&option->target);
  };
  text("--backend", engine.backend);
  flag("--exact", engine.exact);
  flag("--bf16", engine.bf16);
  return engine;
}

// A picture may come from anyone: nothing is written but what goes away with the folder.
Report repeat(const Context& context, const Command& command, const PictureRecord& record, const std::string& file,
              const fs::path& folder) {
  const auto options = command.make_options(), defaults = command.make_options();
  const OptionList list = command.describe(options.get());
  require(find_option(list, "--plan") != nullptr, ErrorKind::format,
          "{}: the record of how it was made is damaged: the command \"{}\" makes no pictures with a record", file,
          command.name);
  set_options(list, std::span(record.command).subspan(1));
  const std::string placement = placement_in(list, command.describe(defaults.get()));
  require(placement.empty(), ErrorKind::format,
          "{}: the record of how it was made is damaged: it says {}, which no record of fovea does", file, placement);
  set_option(list, "--output", (folder / "made.png").string());
  if (!record.part.empty()) set_option(list, "--save", (folder / "parts").string());
  if (!record.plans.empty()) {
    if (follows_plans(record, engine_of(list))) set_option(list, "--plan", file);
    else
      context.note(
          "the picture was computed by other implementations (another machine, other libraries): the last bits, and "
          "after many steps more than those, may differ");
  }
  return command.run(context, options.get());
}

std::string output_of(const AgainOptions& o) {
  if (!o.output.empty()) return o.output;
  const fs::path file = o.file;
  return (file.parent_path() / (file.stem().string() + "-again.png")).string();
}

struct Difference {
  int64_t samples = 0;
  int largest = 0;
};

std::optional<Difference> difference(const Image& a, const Image& b) {
  if (a.width() != b.width() || a.height() != b.height() || a.channels() != b.channels() || a.depth() != b.depth())
    return std::nullopt;
  Difference d;
  for (int y = 0; y < a.height(); ++y)
    for (int x = 0; x < a.width(); ++x)
      for (int c = 0; c < a.channels(); ++c) {
        const int by = std::abs(a.at(x, y, c) - b.at(x, y, c));
        d.samples += by > 0;
        d.largest = std::max(d.largest, by);
      }
  return d;
}

std::string verdict(const Bytes& before, const Bytes& after, const PictureRecord& then, const PictureRecord& now,
                    Json& json) {
  const bool same = before.view() == after.view();
  json["same_bytes"] = same;
  if (same) return "the same bytes";
  std::string text;
  if (then.model_hash != now.model_hash)
    text = fmt::format("the network is another one: the SHA-256 of its weights was {}…, now it is {}…; ",
                       short_hash(then.model_hash), short_hash(now.model_hash));
  const auto d = difference(decode_image(before), decode_image(after));
  if (!d) return text + "the picture has another size";
  json["different_samples"] = d->samples;
  json["largest_difference"] = d->largest;
  if (d->samples == 0) return text + "the same pixels, but other texts in the file";
  return text + fmt::format("difference in {}, up to {}", counted(d->samples, "sample"), counted(d->largest, "level"));
}

}  // namespace

Report run(const Context& context, const AgainOptions& o) {
  require_file(o.file, "a PNG that fovea has written");
  const std::string output = output_of(o);
  require_picture_output(output);
  require(fs::path(output).extension() == ".png", ErrorKind::usage, "{}: expected the name of a .png file", output);
  const Bytes before = Bytes::map(o.file);
  const PictureRecord record = read_picture_record(before);
  const Command* command = find_command(record.command[0]);
  require(command != nullptr, ErrorKind::format, "{}: was made by the command \"{}\", which this fovea does not have",
          o.file, printable(record.command[0]));
  compare_inputs(context, record, o.anyway);
  if (thread_count() != record.threads)
    context.note(fmt::format("with {}, as it was made", counted(record.threads, "thread")));
  const Threads threads(record.threads);
  const fs::path beside = fs::path(output).has_parent_path() ? fs::path(output).parent_path() : fs::path(".");
  const PassingFolder folder(beside);
  repeat(context, *command, record, o.file, folder.path);
  if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
  const fs::path made = record.part.empty() ? folder.path / "made.png" : folder.path / "parts" / record.part;
  require(fs::exists(made), ErrorKind::usage, "{}: the command wrote no {}", o.file,
          record.part.empty() ? "picture" : record.part);
  Report report;
  Json json = {{"file", o.file}, {"output", output}, {"command", shell_line(record.command)}};
  const Bytes after = Bytes::map(made);
  const std::string said = verdict(before, after, record, read_picture_record(after), json);
  writing([&] { write_file(output, after.span()); });
  report.files.emplace_back(output);
  report.failed = !json.at("same_bytes").get<bool>();
  report.text =
      fmt::format("{}\nwrote {}: {}\n", printable(command_line(record)), coloured(printable(output), Ink::cyan),
                  coloured(said, report.failed ? Ink::red : Ink::green));
  report.set_json(json);
  return report;
}

Command again_command() {
  return make_command<AgainOptions>(
      "again", "makes a picture again, to the same bytes, from what its file says",
      "Every PNG that maximise, invert, dream, texture and style write carries the command that made it, its seed, the "
      "SHA-256 of the network's weights and of the pictures read, the version, and how each layer was computed. This "
      "reads them, runs the command once more, and compares: exit code 0 for the same bytes, 1 for another picture. "
      "Files are looked for under the names that were typed then.",
      {{"fovea again dream.png", "writes dream-again.png and says whether it is the same"},
       {"fovea again dream.png -o copy.png", "under another name"}},
      run);
}

}  // namespace fovea
