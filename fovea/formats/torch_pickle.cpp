// A pickle is a program for a stack machine: opcodes push values, gather what lies above a mark into containers, and
// remember values by number (the memo). This one knows every opcode of the protocols 0 to 5 that data files can hold;
// the extension registry and out-of-band buffers have no place in a file and are refused. There are no jumps, so the
// work is linear in the bytes. Source: CPython Lib/pickletools.py.
#include "fovea/formats/torch_pickle.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <unordered_map>

#include "fovea/base/error.h"

namespace fovea {

PickleRef PickleHeap::add(PickleValue value) {
  spend(1 + value.items.size());
  values_.push_back(std::move(value));
  return static_cast<PickleRef>(values_.size() - 1);
}

PickleRef PickleHeap::add(PickleKind kind, std::vector<PickleRef> items) {
  PickleValue value;
  value.kind = kind;
  value.items = std::move(items);
  return add(std::move(value));
}

PickleRef PickleHeap::add_text(std::string_view text, PickleKind kind) {
  PickleValue value;
  value.kind = kind;
  value.text = text;
  return add(std::move(value));
}

PickleRef PickleHeap::add_integer(int64_t number) {
  PickleValue value;
  value.kind = PickleKind::integer;
  value.integer = number;
  return add(std::move(value));
}

PickleRef PickleHeap::add_real(double number) {
  PickleValue value;
  value.kind = PickleKind::real;
  value.real = number;
  return add(std::move(value));
}

PickleRef PickleHeap::add_storage(PickleStorage storage) {
  PickleValue value;
  value.kind = PickleKind::storage;
  value.integer = static_cast<int64_t>(storages.size());
  storages.push_back(std::move(storage));
  return add(std::move(value));
}

PickleRef PickleHeap::add_tensor(PickleTensor tensor) {
  PickleValue value;
  value.kind = PickleKind::tensor;
  value.integer = static_cast<int64_t>(tensors.size());
  tensors.push_back(std::move(tensor));
  return add(std::move(value));
}

std::string_view PickleHeap::keep(std::string text) {
  require(text.size() <= bytes_left_, ErrorKind::format, "the pickle unpacks to far more text than it has bytes");
  bytes_left_ -= text.size();
  kept_.push_back(std::move(text));
  return kept_.back();
}

void PickleHeap::spend(size_t items) {
  require(items <= objects_left_, ErrorKind::format, "the pickle makes more than {} values", kMostObjects);
  objects_left_ -= items;
}

namespace {

void append_utf8(std::string& out, uint32_t c) {
  const auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6), put(0x80 | (c & 63));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
  } else {
    put(0xF0 | (c >> 18 & 7)), put(0x80 | (c >> 12 & 63)), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
  }
}

// "raw-unicode-escape" of protocol 0: \uXXXX and \UXXXXXXXX, other bytes are Latin-1.
std::string unescaped_unicode(std::string_view line) {
  std::string out;
  for (size_t i = 0; i < line.size();) {
    const bool wide = line.substr(i, 2) == "\\U";
    if (wide || line.substr(i, 2) == "\\u") {
      const std::string_view digits = line.substr(i + 2, wide ? 8 : 4);
      uint32_t code = 0;
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
      require(error == std::errc() && end == digits.data() + (wide ? 8 : 4) && code < 0x110000, ErrorKind::format,
              "bad escape in a text of the pickle");
      append_utf8(out, code);
      i += wide ? 10 : 6;
    } else {
      append_utf8(out, static_cast<unsigned char>(line[i++]));
    }
  }
  return out;
}

// The repr of a Python 2 string: quotes around it, \n \t \r \\ \' \" \xNN within.
std::string unquoted(std::string_view line) {
  require(line.size() >= 2 && (line.front() == '\'' || line.front() == '"') && line.back() == line.front(),
          ErrorKind::format, "a string of the pickle has no quotes around it");
  line = line.substr(1, line.size() - 2);
  std::string out;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\' || i + 1 == line.size()) {
      out.push_back(line[i]);
      continue;
    }
    const char c = line[++i];
    if (c == 'x') {
      unsigned code = 0;
      const std::string_view digits = line.substr(i + 1, 2);
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
      require(error == std::errc() && end == digits.data() + 2, ErrorKind::format, "bad escape in a pickle's string");
      out.push_back(static_cast<char>(code));
      i += 2;
    } else {
      out.push_back(c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c);
    }
  }
  return out;
}

class Machine {
 public:
  Machine(PickleHeap& heap, size_t begin, const PickleOptions& options)
      : heap_(heap), options_(options), file_(heap.file()), at_(begin) {}

  PickleEnd run() {
    size_t op = at_;
    try {
      while (op = at_, step(take(1)[0])) {}
    } catch (const Error& error) {
      throw Error(error.kind(), fmt::format("{}: byte {} of the pickle: {}", file_.label(), op, error.message()));
    }
    return {stack_[0], at_};
  }

 private:
  std::string_view take(size_t size) {
    require(size <= file_.size() - at_, ErrorKind::format, "it ends there, {} more bytes are expected",
            size - (file_.size() - at_));
    const std::string_view part = file_.view().substr(at_, size);
    at_ += size;
    return part;
  }

  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));  // files are little-endian, as every machine we run on
    return value;
  }

  std::string_view line() {
    const size_t end = file_.view().find('\n', at_);
    require(end != std::string_view::npos, ErrorKind::format, "a line that does not end");
    const std::string_view text = take(end - at_);
    at_ += 1;
    return text;
  }

  size_t sized(uint64_t size) {
    require(size <= file_.size() - at_, ErrorKind::format, "{} bytes are announced, {} are left", size,
            file_.size() - at_);
    return static_cast<size_t>(size);
  }

  void push(PickleRef ref) {
    require(stack_.size() < PickleHeap::kMostObjects, ErrorKind::format, "the stack is deeper than {}",
            PickleHeap::kMostObjects);
    stack_.push_back(ref);
  }

  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  PickleRef pop() {
    require(stack_.size() > floor(), ErrorKind::format, "the stack is empty");
    const PickleRef ref = stack_.back();
    stack_.pop_back();
    return ref;
  }

  PickleRef top() const {
    require(stack_.size() > floor(), ErrorKind::format, "the stack is empty");
    return stack_.back();
  }

  // What lies above the last mark; the mark goes too.
  std::vector<PickleRef> pop_to_mark() {
    require(!marks_.empty(), ErrorKind::format, "there is no mark");
    const auto begin = stack_.begin() + static_cast<ptrdiff_t>(marks_.back());
    std::vector<PickleRef> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }

  void push_tuple(size_t count) {
    std::vector<PickleRef> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    push(heap_.add(PickleKind::tuple, std::move(items)));
  }

  void remember(uint64_t key) {
    heap_.spend(1);
    memo_[key] = top();
  }

  void recall(uint64_t key) {
    const auto found = memo_.find(key);
    require(found != memo_.end(), ErrorKind::format, "memo {} is empty", key);
    push(found->second);
  }

  uint64_t decimal(std::string_view text) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    require(error == std::errc() && end == text.data() + text.size(), ErrorKind::format, "a number is expected");
    return value;
  }

  void push_boolean(bool value) {
    PickleValue v;
    v.kind = PickleKind::boolean;
    v.integer = value;
    push(heap_.add(std::move(v)));
  }

  void push_decimal(std::string_view text) {
    if (!text.empty() && text.back() == 'L') text.remove_suffix(1);
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = end == text.data() + text.size() && !text.empty();
    require(whole && error != std::errc::invalid_argument, ErrorKind::format, "a number is expected");
    push(error == std::errc() ? heap_.add_integer(value) : heap_.add_text(text, PickleKind::huge));
  }

  // A two's complement integer, little-endian.
  void push_long(std::string_view bytes) {
    if (bytes.size() > 8) return push(heap_.add_text(bytes, PickleKind::huge));
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.size(); ++i) value |= uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    const size_t unused = 64 - 8 * bytes.size();
    if (!bytes.empty()) value = static_cast<uint64_t>(static_cast<int64_t>(value << unused) >> unused);
    push(heap_.add_integer(static_cast<int64_t>(value)));
  }

  void push_decimal_real(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    require(error == std::errc() && end == text.data() + text.size(), ErrorKind::format, "a number is expected");
    push(heap_.add_real(value));
  }

  void append(std::vector<PickleRef> items) {
    PickleValue& target = heap_[top()];
    if (target.kind == PickleKind::object) return;  // an inert container of another class
    require(target.kind == PickleKind::list || target.kind == PickleKind::set, ErrorKind::format,
            "appends to what is no list");
    heap_.spend(items.size());
    target.items.insert(target.items.end(), items.begin(), items.end());
  }

  void set_items(std::vector<PickleRef> items) {
    require(items.size() % 2 == 0, ErrorKind::format, "a key without a value");
    PickleValue& target = heap_[top()];
    if (target.kind == PickleKind::object) return;
    require(target.kind == PickleKind::dict, ErrorKind::format, "sets an item of what is no dictionary");
    heap_.spend(items.size());
    target.items.insert(target.items.end(), items.begin(), items.end());
  }

  void push_global(std::string_view module, std::string_view name) {
    push(find_pickle_global(heap_, module, name, options_.script));
  }

  void push_stack_global() {
    const PickleRef name = pop(), module = pop();
    require(heap_[name].kind == PickleKind::text && heap_[module].kind == PickleKind::text, ErrorKind::format,
            "the name of a global is no text");
    push_global(heap_[module].text, heap_[name].text);
  }

  void push_persistent(PickleRef id) {
    require(options_.persistent != nullptr, ErrorKind::format, "a persistent id where none can be");
    push(options_.persistent(heap_, id));
  }

  // INST and OBJ of protocol 0 and 1: a class and its arguments above a mark.
  void push_instance(PickleRef type, std::vector<PickleRef> arguments) {
    push(call_pickle_global(heap_, type, heap_.add(PickleKind::tuple, std::move(arguments))));
  }

  bool step(char op);
  bool step_data(char op);
  bool step_number(char op);
  bool step_text(char op);
  bool step_memo(char op);
  bool step_object(char op);

  PickleHeap& heap_;
  const PickleOptions& options_;
  const Bytes& file_;
  size_t at_;
  std::vector<PickleRef> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, PickleRef> memo_;
};

bool Machine::step_number(char op) {
  switch (op) {
    case 'N': push(heap_.add(PickleKind::none)); return true;
    case '\x88': push_boolean(true); return true;
    case '\x89': push_boolean(false); return true;
    case 'J': push(heap_.add_integer(number<int32_t>())); return true;
    case 'K': push(heap_.add_integer(number<uint8_t>())); return true;
    case 'M': push(heap_.add_integer(number<uint16_t>())); return true;
    case 'I': {
      const std::string_view text = line();
      if (text == "00" || text == "01") push_boolean(text == "01");
      else push_decimal(text);
      return true;
    }
    case 'L': push_decimal(line()); return true;
    case '\x8a': push_long(take(sized(number<uint8_t>()))); return true;
    case '\x8b': push_long(take(sized(number<uint32_t>()))); return true;
    case 'F': push_decimal_real(line()); return true;
    case 'G': {  // big-endian, the only one
      uint64_t bits = 0;
      for (const char c : take(8)) bits = bits << 8 | static_cast<unsigned char>(c);
      push(heap_.add_real(std::bit_cast<double>(bits)));
      return true;
    }
    default: return false;
  }
}

bool Machine::step_text(char op) {
  const auto text = [&](uint64_t size) { push(heap_.add_text(take(sized(size)))); };
  const auto bytes = [&](uint64_t size) { push(heap_.add_text(take(sized(size)), PickleKind::bytes)); };
  switch (op) {
    case 'S': push(heap_.add_text(heap_.keep(unquoted(line())))); return true;
    case 'V': push(heap_.add_text(heap_.keep(unescaped_unicode(line())))); return true;
    case 'T': text(number<uint32_t>()); return true;
    case 'U': text(number<uint8_t>()); return true;
    case 'X': text(number<uint32_t>()); return true;
    case '\x8c': text(number<uint8_t>()); return true;
    case '\x8d': text(number<uint64_t>()); return true;
    case 'B': bytes(number<uint32_t>()); return true;
    case 'C': bytes(number<uint8_t>()); return true;
    case '\x8e': bytes(number<uint64_t>()); return true;
    case '\x96': bytes(number<uint64_t>()); return true;
    default: return false;
  }
}

bool Machine::step_memo(char op) {
  switch (op) {
    case 'p': remember(decimal(line())); return true;
    case 'q': remember(number<uint8_t>()); return true;
    case 'r': remember(number<uint32_t>()); return true;
    case '\x94': remember(memo_.size()); return true;
    case 'g': recall(decimal(line())); return true;
    case 'h': recall(number<uint8_t>()); return true;
    case 'j': recall(number<uint32_t>()); return true;
    default: return false;
  }
}

bool Machine::step_data(char op) {
  switch (op) {
    case '(':
      heap_.spend(1);
      marks_.push_back(stack_.size());
      return true;
    case '0':
      if (!marks_.empty() && marks_.back() == stack_.size()) marks_.pop_back();
      else pop();
      return true;
    case '1': pop_to_mark(); return true;
    case '2': push(top()); return true;
    case ')': push_tuple(0); return true;
    case '\x85': push_tuple(1); return true;
    case '\x86': push_tuple(2); return true;
    case '\x87': push_tuple(3); return true;
    case 't': push(heap_.add(PickleKind::tuple, pop_to_mark())); return true;
    case ']': push(heap_.add(PickleKind::list)); return true;
    case 'l': push(heap_.add(PickleKind::list, pop_to_mark())); return true;
    case '}': push(heap_.add(PickleKind::dict)); return true;
    case 'd': {
      auto items = pop_to_mark();
      require(items.size() % 2 == 0, ErrorKind::format, "a key without a value");
      push(heap_.add(PickleKind::dict, std::move(items)));
      return true;
    }
    case '\x8f': push(heap_.add(PickleKind::set)); return true;
    case '\x91': push(heap_.add(PickleKind::set, pop_to_mark())); return true;
    case 'a': append({pop()}); return true;
    case 'e':
    case '\x90': append(pop_to_mark()); return true;
    case 's': {
      const PickleRef value = pop(), key = pop();
      set_items({key, value});
      return true;
    }
    case 'u': set_items(pop_to_mark()); return true;
    default: return false;
  }
}

bool Machine::step_object(char op) {
  switch (op) {
    case 'c': {
      const std::string_view module = line(), name = line();
      push_global(module, name);
      return true;
    }
    case '\x93': push_stack_global(); return true;
    case 'i': {
      const std::string_view module = line(), name = line();
      auto arguments = pop_to_mark();
      push_instance(find_pickle_global(heap_, module, name, options_.script), std::move(arguments));
      return true;
    }
    case 'o': {
      auto arguments = pop_to_mark();
      require(!arguments.empty(), ErrorKind::format, "an object without a class");
      const PickleRef type = arguments.front();
      arguments.erase(arguments.begin());
      push_instance(type, std::move(arguments));
      return true;
    }
    case 'R': {
      const PickleRef arguments = pop(), callee = pop();
      push(call_pickle_global(heap_, callee, arguments));
      return true;
    }
    case '\x81': {
      const PickleRef arguments = pop(), type = pop();
      push(new_pickle_object(heap_, type, arguments));
      return true;
    }
    case '\x92': {  // with keyword arguments
      pop();
      const PickleRef arguments = pop(), type = pop();
      push(new_pickle_object(heap_, type, arguments));
      return true;
    }
    case 'b': {
      const PickleRef state = pop();
      build_pickle_object(heap_, top(), state);
      return true;
    }
    case 'P': push_persistent(heap_.add_text(line())); return true;
    case 'Q': push_persistent(pop()); return true;
    default: return false;
  }
}

// One opcode; false after STOP.
bool Machine::step(char op) {
  if (step_number(op) || step_text(op) || step_memo(op) || step_data(op) || step_object(op)) return true;
  switch (op) {
    case '\x80': {
      const int protocol = number<uint8_t>();
      require(protocol <= 5, ErrorKind::unsupported, "pickle protocol {} is newer than 5", protocol);
      return true;
    }
    case '\x95': sized(number<uint64_t>()); return true;  // a frame: its bytes simply follow
    case '.':
      require(marks_.empty() && stack_.size() == 1, ErrorKind::format, "it stops with {} values on the stack",
              stack_.size());
      return false;
    case '\x82':
    case '\x83':
    case '\x84': fail(ErrorKind::unsupported, "refuses to use Python's extension registry");
    case '\x97':
    case '\x98': fail(ErrorKind::unsupported, "refers to a buffer outside of the file");
    default: fail(ErrorKind::format, "0x{:02x} is no pickle opcode", static_cast<unsigned char>(op));
  }
}

}  // namespace

PickleEnd read_pickle(PickleHeap& heap, size_t begin, const PickleOptions& options) {
  require(begin <= heap.file().size(), ErrorKind::format, "{}: it ends before byte {}", heap.file().label(), begin);
  return Machine(heap, begin, options).run();
}

}  // namespace fovea
