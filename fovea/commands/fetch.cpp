#include "fovea/commands/fetch.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "fovea/base/cache_folder.h"
#include "fovea/data/fetched.h"
#include "fovea/report/table.h"

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;

int64_t total_bytes(const CatalogueEntry& entry, bool estimated) {
  int64_t sum = 0;
  for (const CatalogueFile& file : entry.files) {
    if (file.bytes == 0 && (!estimated || file.about == 0)) return 0;
    sum += file.bytes > 0 ? file.bytes : file.about;
  }
  return sum;
}

std::string size_text(const CatalogueEntry& entry) {
  if (const int64_t exact = total_bytes(entry, false)) return short_bytes(static_cast<double>(exact));
  const int64_t about = total_bytes(entry, true);
  return about > 0 ? "≈ " + short_bytes(static_cast<double>(about)) : "";
}

Report list_catalogue() {
  Table table({{"name"}, {"what", false, 64}, {"size", true}, {"here", false, 120}});
  Json entries = Json::array();
  for (const CatalogueEntry& entry : catalogue()) {
    const auto path = find_named(entry);
    table.add({coloured(entry.name, Ink::bold), entry.description, size_text(entry),
               path ? coloured(printable(path->string()), Ink::green) : ""});
    Json files = Json::array();
    for (const CatalogueFile& file : entry.files)
      files.push_back({{"name", file.name}, {"addresses", file.addresses}, {"checksum", to_string(file.checksum)}});
    const int64_t bytes = total_bytes(entry, false), about = total_bytes(entry, true);
    entries.push_back({{"name", entry.name},
                       {"kind", entry.kind == CatalogueEntry::Kind::weights ? "weights" : "data"},
                       {"description", entry.description},
                       {"bytes", bytes > 0 ? Json(bytes) : Json()},
                       {"about_bytes", about > 0 ? Json(about) : Json()},
                       {"path", path ? Json(path->string()) : Json()},
                       {"files", files}});
  }
  Report report;
  report.text =
      table.text() +
      fmt::format("\nfovea fetch NAME keeps what it downloads in {}\n",
                  printable((cache_folder().empty() ? "no folder: set FOVEA_CACHE" : cache_folder().string())));
  report.set_json({{"cache", cache_folder().string()}, {"catalogue", entries}});
  return report;
}

// The entry that is meant. With an address, any file whose name carries its checksum will do.
CatalogueEntry entry_of(const std::string& name, bool with_address) {
  if (const CatalogueEntry* known = find_entry(name)) return *known;
  const std::optional<CatalogueEntry> other = entry_of_file_name(name);
  if (other && (with_address || find_named(*other))) return *other;
  require(!other, ErrorKind::usage, "{} is not in the catalogue: say where it is with --from URL", name);
  fail(ErrorKind::usage, "nothing called \"{}\" can be fetched{} (fovea fetch lists what can{})", name,
       did_you_mean(name, catalogue_names()),
       with_address ? ", and with --from also files whose name ends in the first eight digits of their SHA-256" : "");
}

Json fetched_json(const Fetched& got) {
  int64_t bytes = 0;
  Json files = Json::array();
  for (const FetchedFile& f : got.files) {
    bytes += f.bytes;
    files.push_back({{"path", f.path.string()}, {"bytes", f.bytes}, {"sha256", f.sha256}, {"from", f.from}});
  }
  Json json = {{"name", got.name},
               {"path", got.path.string()},
               {"bytes", bytes},
               {"sha256", got.files.size() == 1 ? Json(got.files[0].sha256) : Json()},
               {"from", got.files[0].from}};
  if (got.files.size() > 1) json["files"] = files;
  return json;
}

}  // namespace

OptionList describe(FetchCommandOptions& o) {
  return {
      {"NAME", "", "what to fetch; without one, all that can be is listed", &o.names},
      {"--from", "URL",
       "a mirror: the address of the file, or of a folder (ending in /) that holds files of the published names",
       &o.from},
  };
}

Report run(const Context& context, const FetchCommandOptions& options) {
  if (options.names.empty()) {
    require(options.from.empty(), ErrorKind::usage, "--from needs the name of what is there");
    return list_catalogue();
  }
  require(options.names.size() == 1 || options.from.empty() || options.from.ends_with("/"), ErrorKind::usage,
          "--from {} is one file and cannot be {} things; give a folder's address, ending in /", options.from,
          options.names.size());
  std::vector<CatalogueEntry> entries;
  for (const std::string& name : options.names) entries.push_back(entry_of(name, !options.from.empty()));
  Report report;
  Json all = Json::array();
  for (const CatalogueEntry& entry : entries) {
    Fetched got;
    writing([&] { got = fetch(context, entry, {.from = options.from}); });
    int64_t bytes = 0;
    for (const FetchedFile& f : got.files) bytes += f.bytes;
    context.note(fmt::format("{}: {} from {}", got.name, short_bytes(static_cast<double>(bytes)), got.files[0].from));
    report.text += got.path.string() + "\n";
    report.files.push_back(got.path);
    all.push_back(fetched_json(got));
  }
  report.set_json(all.size() == 1 ? all[0] : all);
  return report;
}

Command fetch_command() {
  return make_command<FetchCommandOptions>(
      "fetch", "downloads trained weights and data sets by name",
      "Looks in FOVEA_DATA, in fovea's cache and in PyTorch's, and downloads what is not there into the cache "
      "(FOVEA_CACHE, else XDG_CACHE_HOME/fovea, else ~/.cache/fovea). Checksums are checked; a download that was "
      "interrupted goes on where it stopped. Prints the path of the file, or of the folder of a data set. With --json, "
      "an object of name, path, bytes, sha256 and from, or a list of them for several names.",
      {{"fovea fetch", "lists what can be fetched and what is here already"},
       {"fovea summary $(fovea fetch resnet50)", "downloads ResNet-50, then shows its layers"},
       {"fovea fetch mnist cifar10", "two data sets"},
       {"fovea fetch vgg19 --from https://mirror.example.org/models/", "from a mirror"},
       {"fovea fetch resnet20-12fca82f.th --from https://example.org/resnet20-12fca82f.th",
        "any file whose name carries its checksum"}},
      run);
}

}  // namespace fovea
