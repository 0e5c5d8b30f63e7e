// Random orthogonal matrices.
#pragma once

#include <cstdint>
#include <span>

namespace fovea {

// Makes the `rows` vectors of `columns` numbers in `matrix` (row-major, rows ≤ columns) orthonormal, from the first on:
// row i becomes what is left of it without its parts along the rows before, of length 1. From independent normal
// numbers this is a matrix of Haar's distribution, every orientation as likely as any other. The same bits whatever the
// number of threads. Throws Error{internal} for other sizes, Error{usage} for rows that are not independent.
void orthonormalise(std::span<double> matrix, int64_t rows, int64_t columns);

}  // namespace fovea
