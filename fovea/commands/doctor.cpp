#include "fovea/commands/doctor.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/base/cache_folder.h"
#include "fovea/base/counted.h"
#include "fovea/base/parallel.h"
#include "fovea/compile/program.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"
#include "fovea/report/table.h"
#include "fovea/train/mpi_group.h"

namespace fovea {

std::string_view version() { return FOVEA_VERSION; }

OptionList describe(DoctorOptions& o) { return {{"--fast", "", "measure nothing", &o.fast}}; }

namespace {

using Json = nlohmann::ordered_json;

// The value of a "key : value" line of /proc, or "".
std::string proc_value(const char* file, std::string_view key) {
  std::ifstream in(file);
  std::string line;
  while (std::getline(in, line)) {
    if (!line.starts_with(key)) continue;
    const size_t colon = line.find(':');
    const size_t begin = line.find_first_not_of(" \t", colon + 1);
    if (colon != line.npos && begin != line.npos) return line.substr(begin);
  }
  return "";
}

std::string instruction_sets() {
  const std::string flags = " " + proc_value("/proc/cpuinfo", "flags") + " ";
  static constexpr std::string_view kNames[] = {"sse4_2",      "avx",      "f16c",     "fma",
                                                "avx2",        "avx512f",  "avx512vl", "avx512_vnni",
                                                "avx512_bf16", "amx_tile", "amx_bf16"};
  std::string found;
  for (const auto name : kNames)
    if (flags.find(fmt::format(" {} ", name)) != flags.npos) found += (found.empty() ? "" : " ") + std::string(name);
  return found;
}

struct Speed {
  std::string name, implementation;
  double gflops = 0;
};

// One convolution of a usual size, alone in a program.
Speed conv_speed(const std::string& name, int64_t channels, int64_t kernel, CpuOptions cpu) {
  Graph graph;
  const Value x = input(graph, "x", {DType::f32, {1, channels, 28, 28}});
  const Value w = parameter(graph, "w", {DType::f32, {channels, channels, kernel, kernel}});
  const Value y = conv(graph, x, w, {}, {.pad = kernel / 2});
  const auto backend = cpu_backend(cpu);
  CompileOptions options;
  options.exact = cpu.exact;
  options.bf16 = cpu.bf16;
  Program program = compile(graph, std::vector<Value>{y},
                            {{"w", Tensor(DType::f32, {channels, channels, kernel, kernel})}}, *backend, options);
  program.execute();
  program.profile(9);
  const double flops = 2.0 * static_cast<double>(channels * channels * kernel * kernel * 28 * 28);
  Speed result{name, "", 0};
  for (const StepInfo& step : program.steps())
    if (step.flops > 0 && step.seconds > 0) result = {name, step.implementation, flops / step.seconds * 1e-9};
  return result;
}

}  // namespace

Report run(const Context& context, const DoctorOptions& options) {
  const auto backend = cpu_backend();
  std::vector<std::pair<std::string, std::string>> facts = {
      {"fovea", std::string(version())},
      {"processor", proc_value("/proc/cpuinfo", "model name")},
      {"cores",
       fmt::format("{} (computing with {})", std::thread::hardware_concurrency(), counted(thread_count(), "thread"))},
      {"instruction sets", instruction_sets()},
      {"memory",
       fmt::format("{} free of {}", short_bytes(std::atof(proc_value("/proc/meminfo", "MemAvailable").c_str()) * 1024),
                   short_bytes(std::atof(proc_value("/proc/meminfo", "MemTotal").c_str()) * 1024))},
      {"huge pages",
       [] {
         std::ifstream in("/sys/kernel/mm/transparent_hugepage/enabled");
         std::string s;
         std::getline(in, s);
         return s;
       }()},
      {"load",
       [] {
         std::ifstream in("/proc/loadavg");
         std::string s;
         in >> s;
         return s;
       }()},
      {"libraries", backend->fingerprint()},
      {"many processes", mpi_availability()},
  };
  if (const char* folder = std::getenv("FOVEA_DATA")) facts.emplace_back("FOVEA_DATA", folder);
  else facts.emplace_back("FOVEA_DATA", "not set: the demo trains its own small network");
  const std::filesystem::path cache = cache_folder();
  std::error_code error;
  size_t files = 0, bytes = 0;
  for (std::filesystem::directory_iterator it(cache, error), end; !error && it != end; it.increment(error))
    ++files, bytes += it->is_regular_file(error) ? it->file_size(error) : 0;
  facts.emplace_back("cache", fmt::format("{}: {}, {}", cache.string(), counted(files, "file"),
                                          short_bytes(static_cast<double>(bytes))));

  Json json = Json::object();
  Report report;
  for (const auto& [name, value] : facts) {
    report.text += coloured(fmt::format("{:<18}", name), Ink::bold) + printable(value) + "\n";
    json[name] = value;
  }
  if (!options.fast) {
    report.text += "\nwhat is fast here (28x28 positions, in GFLOP/s of the plain algorithm):\n";
    Json speeds = Json::array();
    const std::pair<const char*, CpuOptions> ways[] = {
        {"f32", {}}, {"f32, --exact", {.exact = true}}, {"--bf16", {.bf16 = true}}};
    for (const auto& [way, cpu] : ways)
      for (const int64_t kernel : {int64_t{3}, int64_t{1}}) {
        context.report({"measuring", static_cast<int64_t>(speeds.size()), 6, way});
        const Speed s =
            conv_speed(fmt::format("{0}x{0} convolution, 128 channels, {1}", kernel, way), 128, kernel, cpu);
        report.text += fmt::format("  {:<46} {:>7.1f}  {}\n", s.name, s.gflops, s.implementation);
        speeds.push_back({{"what", s.name}, {"gflops", s.gflops}, {"implementation", s.implementation}});
      }
    json["speeds"] = speeds;
  }
  report.set_json(json);
  return report;
}

Command doctor_command() {
  return make_command<DoctorOptions>(
      "doctor", "the machine, the libraries, and what is fast here",
      "Prints what fovea found: processor and instruction sets, threads, memory, versions of libraries, caches; "
      "and times two common layers in each mode.",
      {{"fovea doctor", "everything"}, {"fovea doctor --fast --json", "without measuring, for a bug report"}}, run);
}

}  // namespace fovea
