#include "fovea/report/network_drawing.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "fovea/ops/input.h"
#include "fovea/report/page.h"
#include "fovea/report/table.h"

namespace fovea {

namespace {

constexpr double kBoxWidth = 132, kBoxHeight = 46, kGapX = 27, kGapY = 12, kRowGap = 46, kMargin = 14;

std::string kind_of(std::string_view op) {
  if (op.find("conv") != op.npos) return "convolution";
  if (op.find("pool") != op.npos) return "pooling";
  if (op == "gemm" || op == "matmul") return "dense";
  if (op == "add" || op == "concat" || op == "mul" || op == "sum") return "join";
  if (op.find("softmax") != op.npos) return "scores";
  if (op == "input") return "input";
  return "other";
}

// Drawn with the layer before it, when it alone follows that layer.
bool is_minor(std::string_view op) {
  static constexpr std::string_view kNames[] = {"batch_norm",   "channel_affine",
                                                "relu",         "leaky_relu",
                                                "prelu",        "elu",
                                                "selu",         "celu",
                                                "clip",         "sigmoid",
                                                "tanh",         "gelu",
                                                "mish",         "hard_swish",
                                                "hard_sigmoid", "softplus",
                                                "softsign",     "thresholded_relu",
                                                "dropout",      "identity",
                                                "flatten",      "reshape",
                                                "squeeze",      "unsqueeze",
                                                "cast",         "lrn",
                                                "transpose"};
  return std::find(std::begin(kNames), std::end(kNames), op) != std::end(kNames);
}

std::string size_text(const Shape& s) {
  if (s.rank() == 4 && s[2] * s[3] > 1) return fmt::format("{} × {} × {}", s[1], s[2], s[3]);
  if (s.rank() >= 2) return fmt::format("{}", s.count(1, s.rank()));
  return to_string(s);
}

std::string detail_of(const Graph& graph, const Node& node) {
  std::string op(node.op->name);
  std::replace(op.begin(), op.end(), '_', ' ');
  if (op.find("conv") != op.npos && node.inputs.size() > 1) {
    const Shape& w = graph.shape(node.inputs[1]);
    if (w.rank() == 4) op = fmt::format("conv {}×{}", w[2], w[3]);
  }
  const std::string text = node.attributes.text();
  const auto value = [&](std::string_view key) {
    const size_t at = text.find(fmt::format("{}=", key));
    if (at == text.npos || (at > 0 && text[at - 1] != ' ')) return std::string();
    const size_t begin = at + key.size() + 1;
    return text.substr(begin, std::min(text.find(' ', begin), text.size()) - begin);
  };
  const auto first = [](const std::string& s) { return s.substr(0, s.find(',')); };
  if (op.ends_with("pool") && !value("kernel").empty())
    op += fmt::format(" {}×{}", first(value("kernel")), first(value("kernel")));
  if (const std::string s = first(value("stride")); !s.empty() && s != "1") op += " /" + s;
  if (const std::string g = value("groups"); !g.empty() && g != "1") op += fmt::format(", {} groups", g);
  return op;
}

// What all names begin with, up to a separator: "squeezenet0_" tells nothing in a drawing of squeezenet0.
size_t common_start(const std::vector<DrawnNode>& nodes) {
  const DrawnNode* first = nullptr;
  size_t length = 0;
  for (const DrawnNode& n : nodes) {
    if (n.kind == "input") continue;
    if (!first) {
      first = &n;
      length = n.title.size();
    }
    size_t same = 0;
    while (same < std::min(length, n.title.size()) && n.title[same] == first->title[same]) ++same;
    length = same;
  }
  while (length > 0 && std::string_view("_/.").find(first->title[length - 1]) == std::string_view::npos) --length;
  return length;
}

// "inception3a/branch1/conv/Conv" says "Conv" twice: the exporter's name of the operator goes.
std::string without_operator(const std::string& name, std::string_view op) {
  const size_t slash = name.rfind('/');
  if (slash == name.npos || slash == 0) return name;
  std::string last, plain;
  for (const char c : name.substr(slash + 1)) last += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const char c : op)
    if (c != '_') plain += c;
  return last == plain || last == "globalaveragepool" ? name.substr(0, slash) : name;
}

struct Layout {
  std::vector<int> layer, row, column;  // of each node; the row and the column of its layer in it
  std::vector<double> x, y;
  double width = 0, height = 0;
};

// Layers by the longest way from an input; within a layer, boxes are ordered by the mean place of what they come from.
std::vector<std::vector<int>> layered(const std::vector<DrawnNode>& nodes, std::vector<int>& layer) {
  layer.assign(nodes.size(), 0);
  for (size_t i = 0; i < nodes.size(); ++i)
    for (const int f : nodes[i].from) layer[i] = std::max(layer[i], layer[static_cast<size_t>(f)] + 1);
  std::vector<std::vector<int>> layers(
      nodes.empty() ? 0 : static_cast<size_t>(*std::max_element(layer.begin(), layer.end())) + 1);
  for (size_t i = 0; i < nodes.size(); ++i) layers[static_cast<size_t>(layer[i])].push_back(static_cast<int>(i));
  std::vector<double> place(nodes.size(), 0);
  for (auto& members : layers) {
    std::map<int, double> wish;
    for (const int m : members) {
      const auto& from = nodes[static_cast<size_t>(m)].from;
      double sum = 0;
      for (const int f : from) sum += place[static_cast<size_t>(f)];
      wish[m] = from.empty() ? 0 : sum / static_cast<double>(from.size());
    }
    std::stable_sort(members.begin(), members.end(), [&](int a, int b) { return wish[a] < wish[b]; });
    for (size_t k = 0; k < members.size(); ++k)
      place[static_cast<size_t>(members[k])] = static_cast<double>(k) - static_cast<double>(members.size() - 1) / 2;
  }
  return layers;
}

// Rows of at most `columns` layers, cut where as little as possible crosses: best where a single box ends all that came
// before.
std::vector<std::pair<size_t, size_t>> rows_of(const std::vector<DrawnNode>& nodes, const std::vector<int>& layer,
                                               const std::vector<std::vector<int>>& layers, size_t columns) {
  std::vector<int> crossing(layers.size() + 1,
                            0);  // edges that pass over the boundary before a layer, the last box's own counting 0
  for (size_t b = 0; b < nodes.size(); ++b)
    for (const int a : nodes[b].from)
      for (int k = layer[static_cast<size_t>(a)] + 2; k <= layer[b]; ++k) ++crossing[static_cast<size_t>(k)];
  std::vector<std::pair<size_t, size_t>> rows;
  for (size_t begin = 0; begin < layers.size();) {
    size_t end = std::min(begin + columns, layers.size());
    if (end < layers.size()) {
      const auto cost = [&](size_t e) {
        return 4 * (crossing[e] + static_cast<int>(layers[e - 1].size()) - 1) + static_cast<int>(end - e);
      };
      size_t best = end;
      for (size_t e = end; e > begin + columns / 3; --e)
        if (cost(e) < cost(best)) best = e;
      end = best;
    }
    rows.emplace_back(begin, end);
    begin = end;
  }
  return rows;
}

Layout laid_out(const std::vector<DrawnNode>& nodes, int columns) {
  Layout l;
  const auto layers = layered(nodes, l.layer);
  l.row.assign(nodes.size(), 0);
  l.column.assign(nodes.size(), 0);
  l.x.assign(nodes.size(), 0);
  l.y.assign(nodes.size(), 0);
  double top = kMargin;
  int row_number = 0;
  for (const auto& [begin, end] : rows_of(nodes, l.layer, layers, static_cast<size_t>(columns))) {
    size_t tallest = 1;
    for (size_t k = begin; k < end; ++k) tallest = std::max(tallest, layers[k].size());
    const double height = static_cast<double>(tallest) * (kBoxHeight + kGapY) - kGapY;
    for (size_t k = begin; k < end; ++k) {
      const double own = static_cast<double>(layers[k].size()) * (kBoxHeight + kGapY) - kGapY;
      for (size_t m = 0; m < layers[k].size(); ++m) {
        const auto i = static_cast<size_t>(layers[k][m]);
        l.row[i] = row_number;
        l.column[i] = static_cast<int>(k - begin);
        l.x[i] = kMargin + kGapX + static_cast<double>(k - begin) * (kBoxWidth + kGapX);
        l.y[i] = top + (height - own) / 2 + static_cast<double>(m) * (kBoxHeight + kGapY);
        l.width = std::max(l.width, l.x[i] + kBoxWidth + kGapX + kMargin);
      }
    }
    top += height + kRowGap;
    ++row_number;
  }
  l.height = top - kRowGap + kMargin;
  return l;
}

std::string edge_path(const Layout& l, size_t a, size_t b) {
  const double x0 = l.x[a] + kBoxWidth, y0 = l.y[a] + kBoxHeight / 2, x1 = l.x[b], y1 = l.y[b] + kBoxHeight / 2;
  if (l.row[a] == l.row[b]) {
    if (l.column[b] == l.column[a] + 1)
      return fmt::format("M{},{}C{},{} {},{} {},{}", x0, y0, x0 + kGapX / 2, y0, x1 - kGapX / 2, y1, x1, y1);
    // Over the boxes between, above or below them.
    const double up = std::min(l.y[a], l.y[b]) - 9;
    double lift = up;
    for (size_t i = 0; i < l.x.size(); ++i)
      if (l.row[i] == l.row[a] && l.column[i] > l.column[a] && l.column[i] < l.column[b])
        lift = std::min(lift, l.y[i] - 9);
    return fmt::format("M{},{}C{},{} {},{} {},{}L{},{}C{},{} {},{} {},{}", x0, y0, x0 + 14, y0, x0 + 6, lift,
                       x0 + kGapX, lift, x1 - kGapX, lift, x1 - 6, lift, x1 - 14, y1, x1, y1);
  }
  // Down the right side, back along the space between the rows, to the left side of the next row.
  double row_top = 1e30;
  for (size_t i = 0; i < l.x.size(); ++i)
    if (l.row[i] == l.row[b]) row_top = std::min(row_top, l.y[i]);
  const double lane = row_top - kRowGap / 2, right = x0 + kGapX / 2, left = x1 - kGapX / 2;
  return fmt::format("M{},{}L{},{}Q{},{} {},{}L{},{}Q{},{} {},{}L{},{}Q{},{} {},{}L{},{}Q{},{} {},{}L{},{}", x0, y0,
                     right - 6, y0, right, y0, right, y0 + 6, right, lane - 6, right, lane, right - 6, lane, left + 6,
                     lane, left, lane, left, lane + 6, left, y1 - 6, left, y1, left + 4, y1, x1, y1);
}

}  // namespace

std::vector<DrawnNode> drawn_nodes(const Graph& graph, Value output) {
  const std::vector<bool> needed = reachable(graph, std::vector<Value>{output});
  const auto users = uses(graph);
  std::vector<int> box(static_cast<size_t>(graph.size()), -1);
  std::vector<DrawnNode> nodes;
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    if (!needed[static_cast<size_t>(i)]) continue;
    const bool source = node.op == &ops::input && !node.attributes.as<InputAttributes>().bound;
    std::set<int> from;
    for (const Value v : node.inputs)
      if (v && box[static_cast<size_t>(v.node)] >= 0) from.insert(box[static_cast<size_t>(v.node)]);
    if (from.empty() && !source) continue;  // weights
    int used = 0;
    if (from.size() == 1)
      for (const Value v : node.inputs)
        if (v && box[static_cast<size_t>(v.node)] >= 0)
          for (const auto& output_users : users[static_cast<size_t>(v.node)])
            for (const Use& u : output_users) used += needed[static_cast<size_t>(u.node)];
    const Shape& shape = node.outputs[0].shape;
    if (from.size() == 1 && used == 1 && is_minor(node.op->name) &&
        nodes[static_cast<size_t>(*from.begin())].kind != "input") {
      DrawnNode& host = nodes[static_cast<size_t>(*from.begin())];
      box[static_cast<size_t>(i)] = *from.begin();
      std::string op(node.op->name);
      std::replace(op.begin(), op.end(), '_', ' ');
      host.hint += fmt::format("\n{} · {}", op, node.name);
      if (op == "relu") host.detail += " · relu";
      host.size = size_text(shape);
      continue;
    }
    box[static_cast<size_t>(i)] = static_cast<int>(nodes.size());
    nodes.push_back({without_operator(node.name, node.op->name),
                     detail_of(graph, node),
                     size_text(shape),
                     kind_of(node.op->name),
                     fmt::format("{} · {}", node.op->name, node.name),
                     {from.begin(), from.end()}});
  }
  return nodes;
}

std::string draw_network(const std::vector<DrawnNode>& nodes, int columns) {
  const Layout l = laid_out(nodes, columns);
  std::string svg = fmt::format(
      "<svg class=\"network\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" height=\"{1:.0f}\" role=\"img\" "
      "aria-label=\"the network as a graph\">"
      "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"6\" markerHeight=\"6\" "
      "orient=\"auto\"><path d=\"M0,0L8,4L0,8Z\"/></marker></defs>",
      l.width, l.height);
  for (size_t b = 0; b < nodes.size(); ++b)
    for (const int a : nodes[b].from)
      svg += fmt::format("<path class=\"edge\" d=\"{}\" marker-end=\"url(#arrow)\"/>",
                         edge_path(l, static_cast<size_t>(a), b));
  const size_t common = common_start(nodes);
  const auto cut = [](const std::string& text, size_t most) {
    if (shown_width(text) <= most) return text;
    std::string tail;  // the end of a layer's name tells more than its beginning
    for (size_t i = text.size(); i-- > 0;) {
      tail.insert(tail.begin(), text[i]);
      if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80 && shown_width(tail) + 1 >= most) break;
    }
    return "…" + tail;
  };
  for (size_t i = 0; i < nodes.size(); ++i) {
    const DrawnNode& n = nodes[i];
    svg += fmt::format(
        "<g class=\"box {}\" transform=\"translate({:.1f},{:.1f})\"><title>{}</title><rect width=\"{}\" height=\"{}\" "
        "rx=\"6\"/>",
        n.kind, l.x[i], l.y[i], html_text(n.hint + "\n" + n.size), kBoxWidth, kBoxHeight);
    svg += fmt::format("<rect class=\"stripe\" width=\"5\" height=\"{}\" rx=\"2.5\"/>", kBoxHeight);
    svg += fmt::format(
        "<text class=\"title\" x=\"12\" y=\"14\">{}</text><text x=\"12\" y=\"27\">{}</text><text class=\"size\" "
        "x=\"12\" y=\"39.5\">{}</text></g>",
        html_text(cut(n.kind == "input" ? n.title : n.title.substr(std::min(common, n.title.size())), 17)),
        html_text(cut(n.detail, 24)), html_text(n.size));
  }
  return svg + "</svg>";
}

}  // namespace fovea
