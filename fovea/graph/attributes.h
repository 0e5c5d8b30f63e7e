// Attributes of a node: a plain struct, declared once with FOVEA_FIELDS; printing, comparing, hashing, parsing and
// documentation follow.
//
//   struct ConvAttributes {
//     Ints stride = 1;
//     int64_t groups = 1;
//     FOVEA_FIELDS(ConvAttributes, stride, groups)
//   };
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "fovea/tensor/tensor.h"

namespace fovea {

using Doubles = std::vector<double>;

// A pointer to one field of an attribute struct, by type.
using FieldPointer = std::variant<int64_t*, double*, bool*, std::string*, Ints*, Doubles*, DType*, Tensor*>;

struct Field {
  std::string_view name;
  FieldPointer (*get)(void* object);
};

// The description of one attribute struct.
struct AttributesInfo {
  std::string_view name;  // "ConvAttributes"
  std::vector<Field> fields;
  std::shared_ptr<void> (*make)();  // default values
  std::shared_ptr<void> (*clone)(const void* object);
};

namespace detail {
template <class Object, auto Member>
Field make_field(std::string_view name) {
  return {name, [](void* object) -> FieldPointer { return &(static_cast<Object*>(object)->*Member); }};
}
template <class Object>
AttributesInfo make_info(std::string_view name, std::vector<Field> fields) {
  return {name, std::move(fields), [] { return std::shared_ptr<void>(std::make_shared<Object>()); },
          [](const void* object) {
            return std::shared_ptr<void>(std::make_shared<Object>(*static_cast<const Object*>(object)));
          }};
}
}  // namespace detail

#define FOVEA_EXPAND(x) x
#define FOVEA_FIELD_1(T, a) ::fovea::detail::make_field<T, &T::a>(#a)
#define FOVEA_FIELD_2(T, a, ...) FOVEA_FIELD_1(T, a), FOVEA_FIELD_1(T, __VA_ARGS__)
#define FOVEA_FIELD_3(T, a, ...) FOVEA_FIELD_1(T, a), FOVEA_FIELD_2(T, __VA_ARGS__)
#define FOVEA_FIELD_4(T, a, ...) FOVEA_FIELD_1(T, a), FOVEA_FIELD_3(T, __VA_ARGS__)
#define FOVEA_FIELD_5(T, a, ...) FOVEA_FIELD_1(T, a), FOVEA_FIELD_4(T, __VA_ARGS__)
#define FOVEA_FIELD_6(T, a, ...) FOVEA_FIELD_1(T, a), FOVEA_FIELD_5(T, __VA_ARGS__)
#define FOVEA_FIELD_7(T, a, ...) FOVEA_FIELD_1(T, a), FOVEA_FIELD_6(T, __VA_ARGS__)
#define FOVEA_FIELD_8(T, a, ...) FOVEA_FIELD_1(T, a), FOVEA_FIELD_7(T, __VA_ARGS__)
#define FOVEA_FIELD_9(T, a, ...) FOVEA_FIELD_1(T, a), FOVEA_FIELD_8(T, __VA_ARGS__)
#define FOVEA_FIELD_10(T, a, ...) FOVEA_FIELD_1(T, a), FOVEA_FIELD_9(T, __VA_ARGS__)
#define FOVEA_FIELD_11(T, a, ...) FOVEA_FIELD_1(T, a), FOVEA_FIELD_10(T, __VA_ARGS__)
#define FOVEA_FIELD_12(T, a, ...) FOVEA_FIELD_1(T, a), FOVEA_FIELD_11(T, __VA_ARGS__)
#define FOVEA_FIELD_COUNT(_1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, N, ...) FOVEA_FIELD_##N
#define FOVEA_FIELDS(T, ...)                                                                                        \
  static const ::fovea::AttributesInfo& info() {                                                                    \
    static const ::fovea::AttributesInfo the_info = ::fovea::detail::make_info<T>(                                  \
        #T, {FOVEA_EXPAND(FOVEA_FIELD_COUNT(__VA_ARGS__, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1)(T, __VA_ARGS__))}); \
    return the_info;                                                                                                \
  }

// For operators without attributes.
struct NoAttributes {
  static const AttributesInfo& info();
};

// An immutable attribute struct of any kind; cheap to copy.
class Attributes {
 public:
  Attributes() : Attributes(NoAttributes{}) {}
  template <class T>
  requires requires { T::info(); }
  Attributes(T value) : info_(&T::info()), object_(std::make_shared<T>(std::move(value))) {}  // NOLINT

  const AttributesInfo& info() const { return *info_; }
  // Throws Error{internal} when the struct is of another kind.
  template <class T>
  const T& as() const {
    require(info_ == &T::info(), ErrorKind::internal, "attributes are {}, asked for {}", info_->name, T::info().name);
    return *static_cast<const T*>(object_.get());
  }
  bool operator==(const Attributes& other) const;
  size_t hash() const;
  // "stride=2,2 groups=1": every field that differs from its default ("all" for every field). Tensors print as their
  // type and a hash.
  std::string text(bool all = false) const;
  // The inverse of text(), for fields other than tensors. Throws Error{usage} naming the field.
  static Attributes parse(const AttributesInfo& info, std::string_view text);

 private:
  const AttributesInfo* info_;
  std::shared_ptr<const void> object_;
};

}  // namespace fovea
