// A thread of its own makes all calls of MPI: it starts what is asked for in order, and asks MPI about what is under
// way again and again, since Open MPI only goes on with nonblocking collectives inside of its own calls. While somebody
// has just begun to wait it asks without rest (yielding the core), else every 50 µs: the backward pass keeps the cores.
#include "fovea/train/mpi_group.h"

#include <dlfcn.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <exception>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "fovea/base/background.h"
#include "fovea/base/error.h"
#include "fovea/train/mpi_calls.h"

namespace fovea {

namespace {

constexpr int64_t kMostElements = int64_t{1} << 30;  // of one call of MPI, whose counts are ints
constexpr int kHurries = 2000;                       // times that it asks in vain before it rests in between
constexpr auto kRest = std::chrono::microseconds(50);

int number_in_environment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  if (!text) return otherwise;
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  return end != text && *end == 0 && value >= 0 && value < 1 << 24 ? static_cast<int>(value) : otherwise;
}

// Where the module may lie: beside the program, one folder up (tests), or installed.
std::filesystem::path module_path() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path folder = program.parent_path();
  for (const char* place : {"fovea_mpi.so", "../fovea_mpi.so", FOVEA_MODULE_FOLDER "/fovea_mpi.so"})
    if (std::filesystem::exists(folder / place, error)) return folder / place;
  return {};
}

const FoveaMpiCalls& load_module(int size) {
  const std::filesystem::path path = module_path();
  require(
      !path.empty(), ErrorKind::unsupported,
      "started as one of {} processes by mpirun, but this build of fovea has no MPI: there is no fovea_mpi.so beside "
      "the program; install libopenmpi-dev and build again",
      size);
  void* const module = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);  // global: Open MPI's own plugins look for it
  require(module != nullptr, ErrorKind::unsupported, "{} cannot be loaded: {}", path.string(), dlerror());
  const auto entry = reinterpret_cast<FoveaMpiEntry>(dlsym(module, "fovea_mpi_calls"));
  require(entry != nullptr && entry()->version == kFoveaMpiVersion, ErrorKind::unsupported,
          "{} belongs to another version of fovea", path.string());
  return *entry();
}

class MpiGroup : public Group {
 public:
  explicit MpiGroup(const FoveaMpiCalls& calls) : calls_(calls), thread_([this] { serve(); }) {
    std::unique_lock guard(lock_);
    changed_.wait(guard, [&] { return open_ || !failure_.empty(); });
    if (open_) return;
    guard.unlock();
    thread_.join();
    fail(ErrorKind::io, "MPI does not start: {}", failure_);
  }

  // Leaves in peace: with the others, each at its own end. With an exception under way the others may never come.
  ~MpiGroup() override {
    {
      const std::lock_guard guard(lock_);
      closing_ = true;
      if (std::uncaught_exceptions() > exceptions_ && failure_.empty()) failure_ = "this rank has failed";
    }
    asked_.notify_all();
    thread_.join();
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  Ticket start_sum(std::span<float> values) override {
    return ask(kFoveaMpiSumF32, reinterpret_cast<std::byte*>(values.data()), values.size(), sizeof(float), 0);
  }
  Ticket start_sum(std::span<double> values) override {
    return ask(kFoveaMpiSumF64, reinterpret_cast<std::byte*>(values.data()), values.size(), sizeof(double), 0);
  }
  Ticket start_broadcast(std::span<std::byte> bytes, int root) override {
    require(root >= 0 && root < size_, ErrorKind::usage, "there is no rank {} in a group of {}", root, size_);
    return ask(kFoveaMpiBroadcast, bytes.data(), bytes.size(), 1, root);
  }
  Ticket start_barrier() override { return ask(kFoveaMpiBarrier, nullptr, 1, 0, 0); }

  void wait(Ticket ticket) override {
    std::unique_lock guard(lock_);
    ++waiting_;
    asked_.notify_all();
    changed_.wait(guard, [&] { return !failure_.empty() || !open_calls_.contains(ticket); });
    --waiting_;
    require(failure_.empty(), ErrorKind::io, "the other ranks can no longer be reached: {}", failure_);
  }

  void leave(int code) noexcept override {
    std::unique_lock guard(lock_);
    abort_code_ = code == 0 ? 1 : code;
    asked_.notify_all();
    changed_.wait_for(guard, std::chrono::seconds(10), [] { return false; });  // MPI_Abort ends the process
    _exit(abort_code_);
  }

 private:
  struct Part {
    Ticket ticket;
    int kind;
    std::byte* data;
    int64_t count;
    int root;
    int request;
  };

  Ticket ask(int kind, std::byte* data, size_t count, size_t size, int root) {
    const std::lock_guard guard(lock_);
    require(failure_.empty(), ErrorKind::io, "the other ranks can no longer be reached: {}", failure_);
    const Ticket ticket = ++last_;
    int parts = 0;
    for (int64_t done = 0, all = static_cast<int64_t>(count); done < all; ++parts) {
      const int64_t part = std::min(kMostElements, all - done);
      asked_for_.push_back({ticket, kind, data ? data + static_cast<size_t>(done) * size : nullptr, part, root, -1});
      done += part;
    }
    if (parts > 0) open_calls_[ticket] = parts;
    asked_.notify_all();
    return ticket;
  }

  // The life of the thread that speaks to MPI.
  void serve() {
    enter_background_thread();
    const int error = calls_.open(&rank_, &size_);
    std::unique_lock guard(lock_);
    if (error != 0) {
      failure_ = text_of(error);
      changed_.notify_all();
      return;
    }
    open_ = true;
    changed_.notify_all();
    std::deque<Part> under_way;
    int idle = 0;  // times in vain
    while (failure_.empty()) {
      if (abort_code_ != 0) break;
      if (under_way.empty() && asked_for_.empty()) {
        if (closing_) break;
        asked_.wait(guard);
        continue;
      }
      std::deque<Part> fresh;
      fresh.swap(asked_for_);
      const bool hurry = waiting_ > 0 && idle < kHurries;
      guard.unlock();
      const std::vector<Ticket> ended = go_on(fresh, under_way);
      idle = ended.empty() && fresh.empty() ? idle + 1 : 0;
      if (idle > 0) {
        if (hurry) sched_yield();
        else std::this_thread::sleep_for(kRest);
      }
      guard.lock();
      for (const Ticket ticket : ended)
        if (--open_calls_[ticket] == 0) open_calls_.erase(ticket);
      if (error_ != 0) failure_ = text_of(error_);
      if (!ended.empty() || error_ != 0) changed_.notify_all();
    }
    const int code = abort_code_;
    guard.unlock();
    if (code != 0) calls_.abort(code);
    else if (failure_.empty()) calls_.close();
  }

  // Starts what is fresh and asks about all that is under way; returns whose parts have ended.
  std::vector<Ticket> go_on(const std::deque<Part>& fresh, std::deque<Part>& under_way) {
    for (Part part : fresh) {
      error_ = calls_.start(part.kind, part.data, part.count, part.root, &part.request);
      if (error_ != 0) return {};
      under_way.push_back(part);
    }
    std::vector<Ticket> ended;
    for (size_t i = 0; i < under_way.size();) {
      int done = 0;
      error_ = calls_.test(under_way[i].request, &done);
      if (error_ != 0) return ended;
      if (!done) {
        ++i;
        continue;
      }
      ended.push_back(under_way[i].ticket);
      under_way.erase(under_way.begin() + static_cast<int64_t>(i));
    }
    return ended;
  }

  std::string text_of(int error) const {
    char text[512] = "";
    calls_.error_text(error, text, sizeof text);
    return text;
  }

  const FoveaMpiCalls& calls_;
  int rank_ = 0, size_ = 1;
  int error_ = 0;  // of the thread

  std::mutex lock_;  // of all below
  std::condition_variable asked_, changed_;
  bool open_ = false, closing_ = false;
  int abort_code_ = 0;
  const int exceptions_ = std::uncaught_exceptions();
  int waiting_ = 0;
  Ticket last_ = 0;
  std::deque<Part> asked_for_;
  std::map<Ticket, int> open_calls_;  // parts that have not ended
  std::string failure_;
  std::thread thread_;  // last: it uses all of the others
};

}  // namespace

Launch launch() {
  Launch result;
  result.size = std::max(1, number_in_environment("OMPI_COMM_WORLD_SIZE", 1));
  result.rank = std::min(number_in_environment("OMPI_COMM_WORLD_RANK", 0), result.size - 1);
  result.local_size = std::max(1, number_in_environment("OMPI_COMM_WORLD_LOCAL_SIZE", 1));
  result.local_rank = std::min(number_in_environment("OMPI_COMM_WORLD_LOCAL_RANK", 0), result.local_size - 1);
  return result;
}

std::unique_ptr<Group> launched_group() {
  const Launch own = launch();
  if (own.size == 1) return single_group();
  return std::make_unique<MpiGroup>(load_module(own.size));
}

int take_share_of_cores() {
  cpu_set_t mask;
  const Launch own = launch();
  if (own.local_size == 1 || sched_getaffinity(0, sizeof mask, &mask) != 0) return 0;
  const int cores = CPU_COUNT(&mask);
  const bool bound =
      std::getenv("OMPI_MCA_orte_bound_at_launch") || cores < static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  const bool told = std::getenv("OMP_NUM_THREADS") != nullptr;
  if (bound) return 0;
  if (cores < own.local_size) return told ? 0 : 1;  // more processes than cores: threads that spin would be worse
  const int first = own.local_rank * cores / own.local_size, last = (own.local_rank + 1) * cores / own.local_size;
  cpu_set_t share;
  CPU_ZERO(&share);
  for (int core = 0, seen = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &mask)) {
      if (seen >= first && seen < last) CPU_SET(core, &share);
      ++seen;
    }
  sched_setaffinity(0, sizeof share, &share);
  return told ? 0 : last - first;
}

std::string mpi_availability() {
  const std::filesystem::path path = module_path();
  return path.empty() ? "no module fovea_mpi.so: built without MPI (mpirun -n K fovea train needs it)"
                      : path.lexically_normal().string();
}

}  // namespace fovea
