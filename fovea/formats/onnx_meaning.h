// What an ONNX file says, and what can be guessed, about the meaning of its numbers; and the way to say it in a file.
#pragma once

#include "fovea/formats/onnx_wire.h"
#include "fovea/model/model.h"

namespace fovea {

// Fills model.meaning: from the metadata properties "fovea.preprocess" (JSON), "fovea.classes" (one a line),
// "fovea.name", …, else by convention: a picture input is a float input of shape N,C,H,W with 1 or 3 channels.
void read_meaning(const onnx::ModelProto& proto, const std::string& label, Model& model);

// Writes model.meaning into the metadata properties that read_meaning understands.
void write_meaning(const Model& model, onnx::ModelProto& proto);

// Preprocess ↔ JSON text. Throws Error{format} for text that is not such an object.
Preprocess preprocess_from_json(const std::string& text);
std::string to_json(const Preprocess& preprocess);

}  // namespace fovea
