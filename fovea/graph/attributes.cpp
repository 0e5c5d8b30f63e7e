#include "fovea/graph/attributes.h"

#include <charconv>

namespace fovea {

namespace {

FieldPointer field_of(const Field& field, const void* object) { return field.get(const_cast<void*>(object)); }

size_t hash_bytes(std::string_view bytes) { return std::hash<std::string_view>{}(bytes); }

std::string tensor_text(const Tensor& tensor) {
  const std::string_view bytes(reinterpret_cast<const char*>(tensor.raw()), tensor.bytes());
  return fmt::format("{}[{}]#{:016x}", to_string(tensor.dtype()), to_string(tensor.shape()), hash_bytes(bytes));
}

std::string field_text(const FieldPointer& pointer) {
  return std::visit(
      [](auto* value) -> std::string {
        using T = std::remove_cvref_t<decltype(*value)>;
        if constexpr (std::is_same_v<T, Ints>) return to_string(*value);
        else if constexpr (std::is_same_v<T, Doubles>) return fmt::format("{}", fmt::join(*value, ","));
        else if constexpr (std::is_same_v<T, DType>) return std::string(to_string(*value));
        else if constexpr (std::is_same_v<T, Tensor>) return tensor_text(*value);
        else if constexpr (std::is_same_v<T, bool>) return *value ? "1" : "0";
        else return fmt::format("{}", *value);
      },
      pointer);
}

bool same_field(const FieldPointer& a, const FieldPointer& b) {
  return std::visit(
      [&](auto* x) {
        auto* y = std::get<std::remove_cvref_t<decltype(x)>>(b);
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(*x)>, Tensor>)
          return x->raw() == y->raw() ? x->shape() == y->shape() : x->same_bits(*y);
        else return *x == *y;
      },
      a);
}

template <class T>
T parse_number(std::string_view text, std::string_view name) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require(error == std::errc() && end == text.data() + text.size(), ErrorKind::usage, "{}: '{}' is not a number", name,
          text);
  return value;
}

template <class List>
void parse_list(List& list, std::string_view text, std::string_view name) {
  list.clear();
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    list.push_back(parse_number<typename List::value_type>(text.substr(0, comma), name));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
}

void parse_field(const FieldPointer& pointer, std::string_view text, std::string_view name) {
  std::visit(
      [&](auto* value) {
        using T = std::remove_cvref_t<decltype(*value)>;
        if constexpr (std::is_same_v<T, Ints> || std::is_same_v<T, Doubles>) parse_list(*value, text, name);
        else if constexpr (std::is_same_v<T, std::string>) *value = std::string(text);
        else if constexpr (std::is_same_v<T, bool>) *value = parse_number<int>(text, name) != 0;
        else if constexpr (std::is_same_v<T, DType>) {
          for (int d = 0; d <= static_cast<int>(DType::f64); ++d)
            if (to_string(static_cast<DType>(d)) == text) {
              *value = static_cast<DType>(d);
              return;
            }
          fail(ErrorKind::usage, "{}: '{}' is not an element type", name, text);
        } else if constexpr (std::is_same_v<T, Tensor>)
          fail(ErrorKind::usage, "{}: a tensor cannot be given as text", name);
        else *value = parse_number<T>(text, name);
      },
      pointer);
}

}  // namespace

const AttributesInfo& NoAttributes::info() {
  static const AttributesInfo the_info = detail::make_info<NoAttributes>("NoAttributes", {});
  return the_info;
}

bool Attributes::operator==(const Attributes& other) const {
  if (info_ != other.info_) return false;
  if (object_ == other.object_) return true;
  for (const Field& field : info_->fields)
    if (!same_field(field_of(field, object_.get()), field_of(field, other.object_.get()))) return false;
  return true;
}

size_t Attributes::hash() const { return hash_bytes(info_->name) ^ hash_bytes(text(true)); }

std::string Attributes::text(bool all) const {
  const auto defaults = info_->make();
  std::string result;
  for (const Field& field : info_->fields) {
    const FieldPointer pointer = field_of(field, object_.get());
    if (!all && same_field(pointer, field_of(field, defaults.get()))) continue;
    if (!result.empty()) result += ' ';
    result += fmt::format("{}={}", field.name, field_text(pointer));
  }
  return result;
}

Attributes Attributes::parse(const AttributesInfo& info, std::string_view text) {
  Attributes result;
  auto object = info.make();
  while (!text.empty()) {
    const size_t space = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, space);
    text.remove_prefix(std::min(space + 1, text.size()));
    if (word.empty()) continue;
    const size_t equals = word.find('=');
    require(equals != std::string_view::npos, ErrorKind::usage, "expected name=value, got '{}'", word);
    bool found = false;
    for (const Field& field : info.fields)
      if (field.name == word.substr(0, equals)) {
        parse_field(field.get(object.get()), word.substr(equals + 1), field.name);
        found = true;
      }
    require(found, ErrorKind::usage, "{} has no field '{}'", info.name, word.substr(0, equals));
  }
  result.info_ = &info;
  result.object_ = std::move(object);
  return result;
}

}  // namespace fovea
