// The group of threads: the k-th call of each rank meets the k-th calls of the others in one record; the last to arrive
// does the work for all, x ← x₀ + x₁ + … in the order of ranks.
#include "fovea/base/group.h"

#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>

#include "fovea/base/error.h"

namespace fovea {

Group::~Group() = default;

double Group::sum_of(double value) {
  sum(std::span<double>(&value, 1));
  return value;
}

bool Group::agree(uint64_t digest) {
  uint64_t first = digest;
  broadcast(std::as_writable_bytes(std::span<uint64_t>(&first, 1)));
  return !any(first != digest);
}

namespace {

class Single : public Group {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  Ticket start_sum(std::span<float>) override { return 0; }
  Ticket start_sum(std::span<double>) override { return 0; }
  Ticket start_broadcast(std::span<std::byte>, int) override { return 0; }
  Ticket start_barrier() override { return 0; }
  void wait(Ticket) override {}
  void leave(int) noexcept override {}
};

enum class Kind { sum_f32, sum_f64, broadcast, barrier };

// What threads share.
struct Meeting {
  struct Call {
    Kind kind = Kind::barrier;
    size_t bytes = 0;
    int root = 0, arrived = 0, waited = 0;
    std::vector<std::byte*> memory;  // of each rank
    std::vector<bool> given;         // which ranks have come
    bool done = false;
  };
  explicit Meeting(int count) : left(static_cast<size_t>(count), false) {}

  std::mutex lock;
  std::condition_variable changed;
  std::map<uint64_t, Call> calls;  // by number
  std::vector<bool> left;
  std::string failure;  // why nothing works any more
};

template <class T>
void sum_all(const Meeting::Call& call) {
  T* const first = reinterpret_cast<T*>(call.memory[0]);
  const size_t count = call.bytes / sizeof(T);
  for (size_t r = 1; r < call.memory.size(); ++r) {
    const T* const other = reinterpret_cast<const T*>(call.memory[r]);
    for (size_t i = 0; i < count; ++i) first[i] += other[i];
  }
  for (size_t r = 1; r < call.memory.size(); ++r)
    if (call.bytes > 0) std::memcpy(call.memory[r], first, call.bytes);
}

void perform(const Meeting::Call& call) {
  if (call.kind == Kind::sum_f32) sum_all<float>(call);
  else if (call.kind == Kind::sum_f64) sum_all<double>(call);
  else if (call.kind == Kind::broadcast)
    for (size_t r = 0; r < call.memory.size(); ++r)
      if (static_cast<int>(r) != call.root && call.bytes > 0)
        std::memcpy(call.memory[r], call.memory[static_cast<size_t>(call.root)], call.bytes);
}

class ThreadMember : public Group {
 public:
  ThreadMember(std::shared_ptr<Meeting> meeting, int rank) : meeting_(std::move(meeting)), rank_(rank) {}
  ~ThreadMember() override { go(); }

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(meeting_->left.size()); }
  Ticket start_sum(std::span<float> values) override { return start(Kind::sum_f32, std::as_writable_bytes(values), 0); }
  Ticket start_sum(std::span<double> values) override {
    return start(Kind::sum_f64, std::as_writable_bytes(values), 0);
  }
  Ticket start_broadcast(std::span<std::byte> bytes, int root) override {
    require(root >= 0 && root < size(), ErrorKind::usage, "there is no rank {} in a group of {}", root, size());
    return start(Kind::broadcast, bytes, root);
  }
  Ticket start_barrier() override { return start(Kind::barrier, {}, 0); }

  void wait(Ticket number) override {
    std::unique_lock guard(meeting_->lock);
    while (true) {
      const auto found = meeting_->calls.find(number);
      require(found != meeting_->calls.end(), ErrorKind::internal, "nothing to wait for: call {} of rank {}", number,
              rank_);
      Meeting::Call& call = found->second;
      if (call.done) {
        if (++call.waited == size()) meeting_->calls.erase(found);
        return;
      }
      require(meeting_->failure.empty(), ErrorKind::io, "{}", meeting_->failure);
      for (size_t r = 0; r < meeting_->left.size(); ++r)
        require(!meeting_->left[r] || call.given[r], ErrorKind::io, "rank {} has left the group of {}", r, size());
      meeting_->changed.wait(guard);
    }
  }

  void leave(int) noexcept override { go(); }

 private:
  void go() {
    const std::lock_guard guard(meeting_->lock);
    meeting_->left[static_cast<size_t>(rank_)] = true;
    meeting_->changed.notify_all();
  }

  Ticket start(Kind kind, std::span<std::byte> memory, int root) {
    const std::lock_guard guard(meeting_->lock);
    require(meeting_->failure.empty(), ErrorKind::io, "{}", meeting_->failure);
    const Ticket number = next_++;
    Meeting::Call& call = meeting_->calls[number];
    if (call.arrived == 0) {
      call.kind = kind;
      call.bytes = memory.size();
      call.root = root;
      call.memory.resize(static_cast<size_t>(size()));
      call.given.resize(static_cast<size_t>(size()), false);
    } else if (call.kind != kind || call.bytes != memory.size() || call.root != root) {
      meeting_->failure = fmt::format("call {} of rank {} is over {} bytes, another rank's over {}: they do not match",
                                      number, rank_, memory.size(), call.bytes);
      meeting_->changed.notify_all();
      fail(ErrorKind::io, "{}", meeting_->failure);
    }
    call.memory[static_cast<size_t>(rank_)] = memory.data();
    call.given[static_cast<size_t>(rank_)] = true;
    if (++call.arrived == size()) {
      perform(call);
      call.done = true;
      meeting_->changed.notify_all();
    }
    return number;
  }

  std::shared_ptr<Meeting> meeting_;
  int rank_;
  Ticket next_ = 0;
};

}  // namespace

std::unique_ptr<Group> single_group() { return std::make_unique<Single>(); }

std::vector<std::unique_ptr<Group>> thread_groups(int count) {
  require(count >= 1 && count <= 256, ErrorKind::usage, "a group of {} threads, expected 1 to 256", count);
  const auto meeting = std::make_shared<Meeting>(count);
  std::vector<std::unique_ptr<Group>> members;
  for (int rank = 0; rank < count; ++rank) members.push_back(std::make_unique<ThreadMember>(meeting, rank));
  return members;
}

}  // namespace fovea
