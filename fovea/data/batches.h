// Dataset → batches that a training step takes: decoded, augmented, preprocessed, stacked, and made in the background.
#pragma once

#include <memory>

#include "fovea/data/augmentation.h"
#include "fovea/data/statistics.h"
#include "fovea/tensor/tensor.h"

namespace fovea {

// What happens to a sample whose picture cannot be read (Error{io} or Error{format}).
enum class Broken {
  fatal,      // the batch throws, naming it
  leave_out,  // the batch is that much smaller, possibly empty
  replace,    // the next readable sample in the epoch's order takes its place: batches keep their size
};

struct BatchOptions {
  int64_t size = 128;     // samples a batch (of all shards together)
  bool shuffle = true;    // another order each epoch, else the set's own
  bool drop_last = true;  // an epoch's last batch is left out when it is not full
  Broken broken = Broken::fatal;
  int64_t shards = 1;  // each batch is shared out evenly: batches have the samples of one share of `shards` …
  int64_t shard = 0;   // … this one, from 0; all shares together are the batch, in order, with the same bits
  uint64_t seed = 0;   // keys the order and the augmentation
  std::vector<Augmentation> augmentations;
  int64_t classes = 0;   // labels must lie in [0, classes); 0: as many as the set names, any when it names none
  int64_t prefetch = 2;  // batches kept ready, at most; 0: each is made when it is asked for, by the loops' threads
  int threads = 1;       // that make them in the background
  Standardisation standardise;  // rows of numbers: of the training set (see set_statistics)
};

// Where the next batch stands. All that a checkpoint needs, together with the options and the set.
struct BatchPosition {
  int64_t epoch = 0, batch = 0;
  bool operator==(const BatchPosition&) const = default;
};

struct Batch {
  Tensor pictures;                   // [N,C,H,W] f32, as preprocess() makes them; of a table [N,F] or [N,C,H,W]
  Tensor labels;                     // [N] i64
  std::vector<int64_t> samples;      // their indices in the set
  BatchPosition position;            // its own
  std::vector<std::string> skipped;  // why a picture is missing, one message each
};

// Endless batches, epoch after epoch. Which samples a batch has and every bit of it depend on the set, the
// preprocessing, the options' first nine fields and `standardise`, and the position only: not on threads, prefetching,
// or whether the run was interrupted. Rows of numbers are standardised, then augmented (by noise); the preprocessing
// does not touch them.
class BatchReader {
 public:
  // Starts making batches. Throws Error{usage} for an empty set, a set that does not fill one batch (drop_last), and
  // options out of range. `how` says nothing for a set of rows of numbers: Preprocess() will do.
  BatchReader(std::shared_ptr<const Dataset> set, Preprocess how, BatchOptions options, BatchPosition start = {});
  // Batches under way are abandoned after the sample at hand.
  ~BatchReader();
  BatchReader(const BatchReader&) = delete;
  BatchReader& operator=(const BatchReader&) = delete;

  // The next batch; waits for it. Throws what making it threw (what reading a picture throws; Error{usage} naming the
  // sample whose label is out of range; Error{format} when no picture of the set can be read); the position stays, so
  // that asking again throws again, and `seek` goes past it. For one caller at a time.
  Batch next();
  // Of the batch that next() will return.
  BatchPosition position() const;
  // Goes on from elsewhere. Throws Error{usage} for a position that does not exist.
  void seek(BatchPosition position);
  int64_t batches_per_epoch() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fovea
