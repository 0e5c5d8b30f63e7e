#include "fovea/data/fetched.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "fovea/base/bytes.h"
#include "fovea/base/cache_folder.h"
#include "fovea/base/error.h"
#include "fovea/data/fetch.h"
#include "fovea/formats/archive.h"

namespace fs = std::filesystem;

namespace fovea {

namespace {

struct Place {
  fs::path folder;
  const char* name;
  bool own = false;  // fovea's cache: everything there was checked when it came
};

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && fs::file_size(path, error) > 0 && !error;
}

// Folders in which the entry's files may lie, in the order in which they are looked at.
std::vector<Place> places(const CatalogueEntry& entry) {
  std::vector<Place> result;
  if (const char* data = std::getenv("FOVEA_DATA"); data && *data) {
    const fs::path inner = fs::path(data) / entry.folder;
    if (entry.files.size() == 1) result.push_back({data, "FOVEA_DATA"});
    result.push_back({inner, "FOVEA_DATA"});
    if (entry.kind == CatalogueEntry::Kind::weights) {
      std::vector<fs::path> folders;
      std::error_code error;
      for (fs::directory_iterator it(inner, error), end; !error && it != end; it.increment(error))
        if (it->is_directory(error)) folders.push_back(it->path());
      std::sort(folders.begin(), folders.end());
      for (const fs::path& folder : folders) result.push_back({folder, "FOVEA_DATA"});
    }
  }
  if (const fs::path cache = cache_folder(); !cache.empty())
    result.push_back({cache / entry.folder, "fovea's cache", true});
  if (entry.kind != CatalogueEntry::Kind::weights) return result;
  const char* home = std::getenv("TORCH_HOME");
  const fs::path torch = home && *home                  ? fs::path(home)
                         : !user_cache_folder().empty() ? user_cache_folder() / "torch"
                                                        : fs::path();
  if (!torch.empty()) result.push_back({torch / "hub" / "checkpoints", "PyTorch's cache"});
  return result;
}

// The file of that name, or the same compressed or uncompressed; empty: none.
fs::path either_form(const fs::path& folder, const std::string& name, bool packings) {
  if (is_file(folder / name)) return folder / name;
  if (!packings) return {};
  const std::string plain = name.ends_with(".gz") ? name.substr(0, name.size() - 3) : name;
  for (const char* ending : {"", ".gz", ".xz", ".bz2", ".zst"})
    if (is_file(folder / (plain + ending))) return folder / (plain + ending);
  return {};
}

// One of an entry's files on this machine, and what its bytes, or what they unpack to, must be.
struct Candidate {
  fs::path path;
  Checksum checksum;
  std::string content_md5;
};

// All files of an entry in a folder, or of the parts that do in their place; empty when one is missing.
std::vector<Candidate> named_in(const fs::path& folder, const CatalogueEntry& entry) {
  std::vector<Candidate> found;
  for (const CatalogueFile& file : entry.files)
    if (const fs::path path = either_form(folder, file.name, !file.content_md5.empty()); !path.empty())
      found.push_back({path, file.checksum, file.content_md5});
  if (found.size() == entry.files.size()) return found;
  found.clear();
  for (const CataloguePart& part : entry.parts)
    if (const fs::path path = either_form(folder, part.name, true); !path.empty())
      found.push_back({path, {}, part.md5});
  return found.size() == entry.parts.size() ? found : std::vector<Candidate>{};
}

fs::path shown_path(const std::vector<Candidate>& files) {
  return files.size() == 1 ? files[0].path : files[0].path.parent_path();
}

std::string md5_of(const Bytes& bytes) {
  Digest digest(Checksum::Kind::md5);
  digest.add(bytes.span());
  return digest.md5();
}

// The file's sums, when they are the expected ones: of the file as it is, or of what it unpacks to.
std::optional<Digest> checked(const Context& context, const Candidate& file) {
  Digest digest = digest_of(file.path, file.checksum.kind, [&](int64_t done) {
    if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
    context.report({"checking MiB", done >> 20, 0, file.path.filename().string()});
  });
  if (file.checksum.kind != Checksum::Kind::none && digest.is(file.checksum)) return digest;
  if (file.content_md5.empty()) return std::nullopt;
  try {
    if (md5_of(unpacked(Bytes::map(file.path), size_t{1} << 30)) == file.content_md5) return digest;
  } catch (const Error& e) { context.note(e.message()); }
  return std::nullopt;
}

FetchedFile described(const fs::path& path, const Digest& digest, std::string from) {
  std::error_code error;
  return {path, static_cast<int64_t>(fs::file_size(path, error)), digest.sha256(), std::move(from)};
}

// The entry's files in one place with the right sums; none are given, and a note says why, when one has others.
std::optional<Fetched> taken_from(const Context& context, const Place& place, const CatalogueEntry& entry) {
  const std::vector<Candidate> files = named_in(place.folder, entry);
  if (files.empty()) return std::nullopt;
  Fetched result{entry.name, shown_path(files), {}};
  for (const Candidate& file : files) {
    const std::optional<Digest> digest = checked(context, file);
    if (!digest) {
      context.note(
          fmt::format("{}: is not the published file (its checksum differs) and is passed over", file.path.string()));
      return std::nullopt;
    }
    result.files.push_back(described(file.path, *digest, place.name));
  }
  return result;
}

std::vector<std::string> addresses_of(const CatalogueFile& file, const CatalogueEntry& entry,
                                      const FetchOptions& options) {
  if (options.from.empty()) return file.addresses;
  if (options.from.ends_with("/")) return {options.from + file.name};
  require(entry.files.size() == 1, ErrorKind::usage,
          "{}: {} is {} files; expected the address of a folder that holds them, ending in \"/\"", options.from,
          entry.name, entry.files.size());
  return {options.from};
}

}  // namespace

std::optional<fs::path> find_named(const CatalogueEntry& entry) {
  for (const Place& place : places(entry))
    if (const std::vector<Candidate> files = named_in(place.folder, entry); !files.empty()) return shown_path(files);
  return std::nullopt;
}

std::optional<fs::path> find_fetched(std::string_view name) {
  const std::optional<CatalogueEntry> other = entry_of_file_name(name);
  const CatalogueEntry* entry = find_entry(name);
  if (!entry && other) entry = &*other;
  if (!entry) return std::nullopt;
  for (const Place& place : places(*entry)) {
    const std::vector<Candidate> files = named_in(place.folder, *entry);
    if (files.empty()) continue;
    if (place.own || entry->kind == CatalogueEntry::Kind::data || taken_from({}, place, *entry))
      return shown_path(files);
  }
  return std::nullopt;
}

Fetched fetch(const Context& context, const CatalogueEntry& entry, const FetchOptions& options) {
  for (const Place& place : places(entry))
    if (std::optional<Fetched> found = taken_from(context, place, entry)) return std::move(*found);
  const fs::path cache = cache_folder();
  require(!cache.empty(), ErrorKind::usage,
          "there is no folder to keep {} in: set FOVEA_CACHE to one (or HOME, or XDG_CACHE_HOME)", entry.name);
  std::vector<Candidate> files;
  Fetched result{entry.name, {}, {}};
  for (const CatalogueFile& file : entry.files) {
    const fs::path path = cache / entry.folder / file.name;
    files.push_back({path, file.checksum, file.content_md5});
    if (is_file(path)) {  // of a data set that was fetched in part, or a damaged file
      if (const auto digest = checked(context, files.back())) {
        result.files.push_back(described(path, *digest, "fovea's cache"));
        continue;
      }
    }
    Download what{addresses_of(file, entry, options), path, file.checksum, file.bytes};
    require(!what.addresses.empty(), ErrorKind::usage, "{}: is not in the catalogue; say where it is with --from URL",
            file.name);
    what.tries = options.tries, what.wait = options.wait, what.stall_seconds = options.stall_seconds;
    const Downloaded got = download(context, what);
    result.files.push_back({path, got.bytes, got.sha256, got.address});
  }
  result.path = shown_path(files);
  return result;
}

}  // namespace fovea
