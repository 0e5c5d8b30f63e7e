// Products of matrices of one fixed size, through the backend: the work under neighbours and principal components.
#pragma once

#include <cstdint>
#include <memory>

#include "fovea/backend/backend.h"
#include "fovea/compile/program.h"

namespace fovea {

// y = a · bᵀ with a [rows,inner], b [columns,inner] → y [rows,columns] in f32; or y = aᵀ · b with a [inner,rows],
// b [inner,columns] → [rows,columns]. The memory of all three stays with this object.
class BlockProduct {
 public:
  enum class Form { a_bt, at_b };
  BlockProduct(int64_t rows, int64_t columns, int64_t inner, Form form = Form::a_bt);
  float* a() { return a_; }
  float* b() { return b_; }
  // Computes and returns y, valid until the next call.
  const float* run();

 private:
  std::unique_ptr<Backend> backend_;
  Program program_;
  Tensor in_a_, in_b_, out_;
  float *a_ = nullptr, *b_ = nullptr;
};

}  // namespace fovea
