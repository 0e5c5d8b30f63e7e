// The inside of a Program: final steps with their addresses.
#pragma once

#include <map>
#include <unordered_map>
#include <vector>

#include "fovea/base/memory.h"
#include "fovea/compile/plan.h"

namespace fovea {

class ProgramImpl {
 public:
  Block arena;
  Region weights, states;
  struct Input {
    int value;
    bool fed;  // has been given a value (bound inputs have one from the start)
  };
  std::map<std::string, Input, std::less<>> inputs;
  std::map<std::string, int, std::less<>> states_by_name;
  // Of states that live in a layout of the backend's.
  struct Conversion {
    Lowering to_plain, from_plain;
  };
  std::map<int, Conversion> conversions;
  // A carried value as the caller knows it, in plain layout; a copy.
  Tensor read_state(int value) const;
  void write_state(int value, const Tensor& tensor) const;
  bool is_plain(int value) const { return plan.values[static_cast<size_t>(value)].layout.is_plain(); }

  // Takes the finished plan: fixes addresses and fills in what `steps()` shows.
  void build(Plan plan);

  void execute();
  void profile(int runs);
  Tensor window(int value) const;

  Plan plan;
  std::string plan_text;
  std::vector<StepInfo> infos;
  int skipped = 0;

 private:
  // What a step does under one pattern of gates.
  enum class Action : uint8_t { run, skip, zero, copy };
  struct Pattern {
    std::vector<Action> actions;
    std::vector<int> copied;  // for Action::copy: the operand that is passed on
    int skipped = 0;
  };
  const Pattern* current_pattern();
  Pattern make_pattern(const std::vector<bool>& open) const;
  void perform(size_t step, const Pattern* pattern) const;

  struct Bound {
    std::vector<std::byte*> in, out;
    std::byte* scratch = nullptr;
  };
  std::vector<Bound> bound_;
  std::vector<size_t> order_;     // steps that do something
  std::vector<int> gate_values_;  // Physicals of the distinct gates
  std::map<std::vector<bool>, Pattern> patterns_;
};

}  // namespace fovea
