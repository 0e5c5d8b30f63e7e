// all_reduce over a group: large tensors are sums of their own, in place; the small ones of a bucket are packed into
// one message, since each message costs a latency.
#include <cstring>

#include "fovea/backend/backend.h"
#include "fovea/base/group.h"
#include "fovea/base/memory.h"
#include "fovea/base/parallel.h"
#include "fovea/ops/all_reduce.h"

namespace fovea {

namespace {

constexpr size_t kOwnMessage = size_t{256} << 10;  // bytes from which copying costs more than another message

template <class T>
class Reduction {
 public:
  Reduction(const Request& request, size_t small_bytes)
      : group_(*request.group), pack_(small_bytes), mean_(attributes(request).kind == "mean") {
    const Node& node = request.op_node();
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const size_t count = static_cast<size_t>(request.type(i).shape.count());
      const bool packed = count * sizeof(T) < kOwnMessage || !request.used[i];
      members_.push_back({count, packed});
    }
  }

  static const AllReduceAttributes& attributes(const Request& request) {
    return request.op_node().attributes.as<AllReduceAttributes>();
  }

  void start(const Buffers& buffers) {
    tickets_.clear();
    T* to = packed();
    for (size_t i = 0; i < members_.size(); ++i) {
      const Member& member = members_[i];
      if (member.count == 0) continue;
      const T* from = reinterpret_cast<const T*>(buffers.in[i]);
      T* target = member.packed ? to : reinterpret_cast<T*>(buffers.out[i]);
      if (from != target) std::memcpy(target, from, member.count * sizeof(T));
      if (member.packed) to += member.count;
      else tickets_.push_back(group_.start_sum(std::span<T>(target, member.count)));
    }
    if (to != packed()) tickets_.push_back(group_.start_sum(std::span<T>(packed(), to)));
  }

  void finish(const Buffers& buffers) {
    for (const Group::Ticket ticket : tickets_) group_.wait(ticket);
    const T factor = mean_ ? T(1) / static_cast<T>(group_.size()) : T(1);
    const T* from = packed();
    for (size_t i = 0; i < members_.size(); ++i) {
      const Member& member = members_[i];
      T* const to = reinterpret_cast<T*>(buffers.out[i]);
      const T* const source = member.packed ? from : to;
      if (member.packed) from += member.count;
      if (!to || (source == to && factor == T(1))) continue;
      parallel_for(static_cast<int64_t>(member.count), int64_t{1} << 15,
                   [&](int64_t e) { to[e] = source[e] * factor; });
    }
  }

 private:
  struct Member {
    size_t count;
    bool packed;
  };
  T* packed() const { return reinterpret_cast<T*>(pack_.data()); }

  Group& group_;
  Block pack_;
  bool mean_;
  std::vector<Member> members_;
  std::vector<Group::Ticket> tickets_;
};

template <class T>
void set_steps(Lowering& lowering, const Request& request, size_t small_bytes) {
  const auto reduction = std::make_shared<Reduction<T>>(request, small_bytes);
  lowering.run = [reduction](const Buffers& buffers) { reduction->start(buffers); };
  lowering.finish = [reduction](const Buffers& buffers) { reduction->finish(buffers); };
}

}  // namespace

Lowering all_reduce_lowering(const Request& request) {
  const Node& node = request.op_node();
  Lowering lowering;
  size_t small_bytes = 0;
  int large = 0;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const Layout plain = plain_layout(request.type(i));
    lowering.inputs.push_back(plain);
    lowering.outputs.push_back(plain);
    lowering.in_place.push_back({static_cast<int>(i), static_cast<int>(i)});
    if (plain.bytes < kOwnMessage || !request.used[i]) small_bytes += plain.bytes;
    else ++large;
  }
  lowering.implementation = fmt::format("{} ranks, {} messages", request.group->size(), large + (small_bytes > 0));
  if (request.type(0).dtype == DType::f64) set_steps<double>(lowering, request, small_bytes);
  else set_steps<float>(lowering, request, small_bytes);
  return lowering;
}

}  // namespace fovea
