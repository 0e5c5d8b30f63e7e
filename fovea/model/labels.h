// Names of classes, and what number or name a person means by one.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace fovea {

// The 1000 names of the ImageNet classes (ILSVRC 2012) in their usual order, all synonyms: "tench, Tinca tinca".
const std::vector<std::string>& imagenet_classes();
// airplane, automobile, …: the ten classes of CIFAR-10 in their order.
const std::vector<std::string>& cifar10_classes();

// One name a line; a leading WordNet id ("n01440764 tench") is dropped. "imagenet" or "cifar10" instead of a path gives
// the built-in names. Throws Error{io} when the file cannot be read, Error{format} when it is empty or not text.
std::vector<std::string> read_labels(const std::filesystem::path& path);

// The name up to the first comma, "class 17" where the names are unknown.
std::string class_name(const std::vector<std::string>& classes, int64_t index);

}  // namespace fovea
