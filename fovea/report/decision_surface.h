// Where in the plane a network of two numbers sees which class.
#pragma once

#include "fovea/data/dataset.h"
#include "fovea/image/image.h"
#include "fovea/insight/evaluation.h"

namespace fovea {

// Each point of the plane in the colours of the classes (class_colour), mixed by their probabilities, the paler the
// less sure; on it the samples of the set, ringed, as far as there are not too many (4000). The plane is the range of
// the set with a margin; `side` pixels on each side, 64 to 4096. After the picture of the TensorFlow playground. Throws
// Error{usage} for a set whose samples are not rows of two numbers, and what the network throws.
Image decision_surface(BatchClassifier& network, const Dataset& data, int side = 560);

}  // namespace fovea
