// Arrays of NumPy as sets: pictures where they look like pictures, rows of numbers otherwise.
#pragma once

#include <memory>
#include <string>

#include "fovea/base/bytes.h"
#include "fovea/data/dataset.h"

namespace fovea {

// A set of the first axis of `values` and of `labels` [N] or [N,1], whole numbers from 0 on:
//   u8 [N,H,W], [N,H,W,1 or 3], [N,1 or 3,H,W]   pictures
//   other numbers [N,F]                          rows
//   other numbers [N,H,W], [N,H,W,C], [N,C,H,W]  maps [C,H,W]; C stands last when it is at most 4 there and more in the
//                                                second place
// There are at least `classes` classes, named by their numbers. `where` begins messages. Throws Error{format} naming
// the axis, row or label at fault: other shapes, counts that do not agree, values that are not finite, more than 2^31.
std::unique_ptr<Dataset> array_set(const Tensor& values, const Tensor& labels, const std::string& where,
                                   const std::string& description, int64_t classes = 0);

// The set in a .npz file, found by the names of its arrays: x_test and y_test, X_test and y_test, test_images and
// test_labels for the split "test" (train, val likewise, val and test for one another); else, whatever the split, x or
// X and y, data and labels or target, images and labels or targets, features and labels. Throws what reading and
// array_set throw, Error{format} listing the names when none fit, Error{io} when the split is not there.
std::unique_ptr<Dataset> open_npz(const Bytes& file, const std::string& split);

// The names that the labels of an array file may have, best first: y_train.npy for x_train.npy, train_labels.npy for
// train_images.npy, and labels.npy, y.npy.
std::vector<std::string> label_array_names(const std::string& name);

}  // namespace fovea
