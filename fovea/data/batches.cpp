// Batch b of epoch e holds the samples order_e[b size .. (b + 1) size), in this order (of a batch of n samples, share s
// of S those from n s / S to n (s + 1) / S); order_e comes from (seed, e),
// the augmentation of a sample from (seed, e, sample). A batch is therefore a pure function of its number, and workers
// may make any of them at any time: each takes the smallest number nobody has taken, as long as it is less than
// `prefetch` ahead of the one the caller takes next.
#include "fovea/data/batches.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <numeric>
#include <system_error>
#include <thread>

#include "fovea/base/background.h"
#include "fovea/base/counted.h"
#include "fovea/base/error.h"
#include "fovea/base/parallel_tasks.h"
#include "fovea/data/subset.h"
#include "fovea/model/preprocess.h"

namespace fovea {

namespace {

using Order = std::shared_ptr<const std::vector<int64_t>>;

void check(const BatchOptions& options) {
  require(options.size >= 1 && options.size <= (int64_t{1} << 20), ErrorKind::usage,
          "a batch cannot have {} samples, expected 1 to {}", options.size, int64_t{1} << 20);
  require(options.shards >= 1 && options.shards <= options.size && options.shard >= 0 && options.shard < options.shards,
          ErrorKind::usage, "a batch of {} has no share {} of {}", options.size, options.shard, options.shards);
  require(options.prefetch >= 0 && options.prefetch <= 1024, ErrorKind::usage,
          "{} batches cannot be kept ready, expected 0 to 1024", options.prefetch);
  require(options.threads >= 1 && options.threads <= 256, ErrorKind::usage,
          "{} threads cannot make batches, expected 1 to 256", options.threads);
  require(options.classes >= 0, ErrorKind::usage, "a set cannot have {} classes", options.classes);
  for (const Augmentation& step : options.augmentations) check_augmentation(step);
}

// Says which sample an error is about, where it does not do so itself.
Error named(const Error& error, const std::string& name) {
  return error.message().find(name) == std::string::npos ? error.within(name) : error;
}

// One place of a batch.
struct Slot {
  Tensor picture;
  int64_t label = 0, sample = 0;
  bool present = false;
  std::vector<std::string> skipped;
};

struct Abandoned {};  // thrown inside a worker that is told to stop

}  // namespace

struct BatchReader::State {
  State(std::shared_ptr<const Dataset> data, Preprocess preprocessing, BatchOptions settings)
      : set(std::move(data)), how(std::move(preprocessing)), options(std::move(settings)) {
    check(options);
    require(set != nullptr && set->size() > 0, ErrorKind::usage, "the set has no samples");
    count = set->size();
    per_epoch = options.drop_last ? count / options.size : (count + options.size - 1) / options.size;
    require(per_epoch > 0, ErrorKind::usage,
            "the set's {} samples do not fill one batch of {}; use smaller batches, or keep the last one", count,
            options.size);
    mean = mean_colour(how);
    classes = options.classes > 0 ? options.classes : static_cast<int64_t>(set->classes().size());
  }
  ~State() { stop(); }

  int64_t number_of(BatchPosition position) const {
    const int64_t most = INT64_MAX / per_epoch - 2 - options.prefetch;
    require(position.epoch >= 0 && position.epoch <= most && position.batch >= 0 && position.batch < per_epoch,
            ErrorKind::usage, "there is no batch {} of epoch {}: an epoch has {} batches", position.batch,
            position.epoch, per_epoch);
    return position.epoch * per_epoch + position.batch;
  }
  BatchPosition position_of(int64_t number) const { return {number / per_epoch, number % per_epoch}; }

  Order order_of(int64_t epoch);
  // One sample of the epoch as the network's input [1,C,H,W]. Throws what reading and preprocessing throw.
  Tensor prepared(int64_t epoch, int64_t index, int64_t& label) const;
  Tensor prepared_values(const Tensor& values, int64_t epoch, int64_t index) const;
  // The same with the broken ones dealt with; slot.present stays false for one that is left out.
  void fill_slot(int64_t epoch, const std::vector<int64_t>& order, int64_t place, Slot& slot) const;
  // `parallel`: by the threads of the loops; otherwise by the calling one, which throws Abandoned when it is to stop.
  Batch make(int64_t number, bool parallel);

  void stack(std::vector<Slot>& slots, Batch& batch) const;

  void start(int64_t from);
  void stop();
  void work();

  std::shared_ptr<const Dataset> set;
  Preprocess how;
  BatchOptions options;
  int64_t count = 0, per_epoch = 0, classes = 0;
  Rgb mean;

  std::mutex order_lock;
  std::map<int64_t, Order> orders;  // of the last few epochs

  std::mutex lock;  // of all below
  std::condition_variable space, ready;
  std::atomic<bool> stopping = false;
  int64_t next = 0;   // the number the caller takes next
  int64_t taken = 0;  // the smallest that no worker has begun
  struct Made {
    Batch batch;
    std::exception_ptr error;
  };
  std::map<int64_t, Made> made;
  std::vector<std::thread> workers;
};

Order BatchReader::State::order_of(int64_t epoch) {
  {
    const std::lock_guard guard(order_lock);
    if (const auto found = orders.find(options.shuffle ? epoch : 0); found != orders.end()) return found->second;
  }
  auto order = std::make_shared<std::vector<int64_t>>();
  if (options.shuffle) {
    *order = shuffled_order(count, options.seed, epoch);
  } else {
    order->resize(static_cast<size_t>(count));
    std::iota(order->begin(), order->end(), int64_t{0});
  }
  const std::lock_guard guard(order_lock);
  while (orders.size() >= 3) orders.erase(orders.begin());
  return orders[options.shuffle ? epoch : 0] = std::move(order);
}

Tensor BatchReader::State::prepared_values(const Tensor& values, int64_t epoch, int64_t index) const {
  const Tensor result =
      augment_values(standardised(values, options.standardise), options.augmentations,
                     options.augmentations.empty() ? AugmentationKey() : augmentation_key(options.seed, epoch, index));
  std::vector<int64_t> sizes(result.shape().begin(), result.shape().end());
  sizes.insert(sizes.begin(), 1);
  return result.reshaped(Shape(sizes));
}

Tensor BatchReader::State::prepared(int64_t epoch, int64_t index, int64_t& label) const {
  Sample sample = set->get(index);
  require(sample.label >= 0 && (classes == 0 || sample.label < classes), ErrorKind::usage,
          "{}: has label {}, expected 0 to {}", set->name(index), sample.label, classes == 0 ? INT64_MAX : classes - 1);
  label = sample.label;
  if (sample.has_values()) return prepared_values(sample.values, epoch, index);
  if (options.augmentations.empty()) return preprocess(sample.image, how);
  return preprocess(augment(sample.image, options.augmentations, augmentation_key(options.seed, epoch, index), mean),
                    how);
}

void BatchReader::State::fill_slot(int64_t epoch, const std::vector<int64_t>& order, int64_t place, Slot& slot) const {
  const int64_t tries = options.broken == Broken::replace ? count : 1;
  for (int64_t k = 0; k < tries; ++k) {
    const int64_t index = order[static_cast<size_t>((place + k) % count)];
    try {
      slot.picture = prepared(epoch, index, slot.label);
      slot.sample = index;
      slot.present = true;
      return;
    } catch (const Error& error) {
      const bool unreadable = error.kind() == ErrorKind::io || error.kind() == ErrorKind::format;
      if (!unreadable || options.broken == Broken::fatal) throw named(error, set->name(index));
      slot.skipped.push_back(named(error, set->name(index)).message());
      if (stopping.load(std::memory_order_relaxed)) throw Abandoned{};
    }
  }
  if (options.broken == Broken::replace)
    fail(ErrorKind::format, "0 of {} can be read; the last: {}", counted(count, "picture"), slot.skipped.back());
}

Batch BatchReader::State::make(int64_t number, bool parallel) {
  Batch batch;
  batch.position = position_of(number);
  const Order order = order_of(batch.position.epoch);
  const int64_t start = batch.position.batch * options.size, whole = std::min(count - start, options.size);
  const int64_t first = start + whole * options.shard / options.shards;
  const int64_t last = start + whole * (options.shard + 1) / options.shards;
  std::vector<Slot> slots(static_cast<size_t>(last - first));
  const auto fill = [&](int64_t i) {
    fill_slot(batch.position.epoch, *order, first + i, slots[static_cast<size_t>(i)]);
  };
  if (parallel) parallel_tasks(last - first, fill);
  else
    for (int64_t i = 0; i < last - first; ++i) {
      if (stopping.load(std::memory_order_relaxed)) throw Abandoned{};
      fill(i);
    }
  stack(slots, batch);
  return batch;
}

// The slots that are there, one after the other.
void BatchReader::State::stack(std::vector<Slot>& slots, Batch& batch) const {
  std::vector<int64_t> labels;
  const Slot* first = nullptr;
  for (Slot& slot : slots) {
    for (std::string& why : slot.skipped) batch.skipped.push_back(std::move(why));
    if (!slot.present) continue;
    if (!first) first = &slot;
    require(slot.picture.shape() == first->picture.shape(), ErrorKind::usage,
            "{} has values {}, {} has {}: they do not fit into one batch", set->name(slot.sample),
            to_string(slot.picture.shape()), set->name(first->sample), to_string(first->picture.shape()));
    labels.push_back(slot.label);
    batch.samples.push_back(slot.sample);
  }
  std::vector<int64_t> sizes = {0, how.colour == "grey" ? 1 : 3, how.crop_height, how.crop_width};
  if (first) sizes.assign(first->picture.shape().begin(), first->picture.shape().end());
  sizes[0] = static_cast<int64_t>(labels.size());
  batch.labels = Tensor::ints(labels);
  batch.pictures = Tensor(DType::f32, Shape(sizes));
  std::byte* to = batch.pictures.raw();
  for (const Slot& slot : slots) {
    if (!slot.present) continue;
    const Tensor& picture = slot.picture;
    std::memcpy(to, picture.raw(), picture.bytes());
    to += picture.bytes();
  }
}

void BatchReader::State::work() {
  enter_background_thread();
  std::unique_lock guard(lock);
  while (true) {
    space.wait(guard, [&] { return stopping || taken < next + options.prefetch; });
    if (stopping) return;
    const int64_t number = taken++;
    guard.unlock();
    Made one;
    try {
      one.batch = make(number, false);
    } catch (const Abandoned&) { return; } catch (...) {
      one.error = std::current_exception();
    }
    guard.lock();
    made[number] = std::move(one);
    ready.notify_all();
  }
}

void BatchReader::State::start(int64_t from) {
  next = taken = from;
  made.clear();
  stopping = false;
  const int64_t useful = std::min<int64_t>(options.threads, options.prefetch);  // more would only wait
  try {
    for (int64_t i = 0; i < useful; ++i) workers.emplace_back([this] { work(); });
  } catch (const std::system_error& error) {
    stop();
    fail(ErrorKind::io, "cannot start {} threads for reading: {}", useful, error.what());
  }
}

void BatchReader::State::stop() {
  {
    const std::lock_guard guard(lock);
    stopping = true;
  }
  space.notify_all();
  for (std::thread& worker : workers) worker.join();
  workers.clear();
}

BatchReader::BatchReader(std::shared_ptr<const Dataset> set, Preprocess how, BatchOptions options, BatchPosition start)
    : state_(std::make_unique<State>(std::move(set), std::move(how), std::move(options))) {
  state_->start(state_->number_of(start));
}

BatchReader::~BatchReader() = default;

Batch BatchReader::next() {
  State& state = *state_;
  if (state.options.prefetch == 0) {
    Batch batch = state.make(state.next, true);
    ++state.next;
    return batch;
  }
  std::unique_lock guard(state.lock);
  state.ready.wait(guard, [&] { return state.made.contains(state.next); });
  const auto found = state.made.find(state.next);
  if (found->second.error) std::rethrow_exception(found->second.error);
  Batch batch = std::move(found->second.batch);
  state.made.erase(found);
  ++state.next;
  state.space.notify_all();
  return batch;
}

BatchPosition BatchReader::position() const { return state_->position_of(state_->next); }

void BatchReader::seek(BatchPosition position) {
  const int64_t number = state_->number_of(position);
  state_->stop();
  state_->start(number);
}

int64_t BatchReader::batches_per_epoch() const { return state_->per_epoch; }

}  // namespace fovea
