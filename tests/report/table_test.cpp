#include <gtest/gtest.h>

#include "fovea/report/table.h"

#include "fovea/report/network_drawing.h"
#include "fovea/report/page.h"

namespace fovea {
namespace {

TEST(Table, ColumnsAlignWhateverTheColoursAndScripts) {
  Table table({{"a"}, {"b", true}});
  table.add({coloured("größe", Ink::red), "1"});
  table.add({"x", "1000"});
  EXPECT_EQ(without_colours(table.text()), "a         b\ngröße     1\nx      1000\n");
}

TEST(Table, HostileTextIsMadeHarmless) {
  EXPECT_EQ(printable("a\033[31mb\n\xff\xc3"), "a?[31mb???");
  EXPECT_EQ(html_text("<script>\"&'"), "&lt;script&gt;&quot;&amp;&#39;");
}

TEST(Table, NumbersThatAPersonReads) {
  EXPECT_EQ(short_number(12), "12");
  EXPECT_EQ(short_number(1235496), "1.24 M");
  EXPECT_EQ(short_bytes(1048576), "1.00 MiB");
  EXPECT_EQ(short_time(0.00321), "3.21 ms");
  EXPECT_EQ(shown_width(bar(1, 10)), 10u);
}

TEST(NetworkDrawing, EveryBoxAndEdgeIsThere) {
  const std::vector<DrawnNode> nodes = {{"in", "", "", "input", "", {}},
                                        {"a", "", "", "convolution", "", {0}},
                                        {"b", "", "", "convolution", "", {0}},
                                        {"c", "", "", "join", "", {1, 2}}};
  const std::string svg = draw_network(nodes);
  size_t boxes = 0, edges = 0;
  for (size_t at = 0; (at = svg.find("class=\"box", at)) != svg.npos; ++at) ++boxes;
  for (size_t at = 0; (at = svg.find("class=\"edge", at)) != svg.npos; ++at) ++edges;
  EXPECT_EQ(boxes, 4u);
  EXPECT_EQ(edges, 4u);
}

TEST(Page, AsksNothingOfANetwork) {
  Page page("<title>", "sub");
  page.add_section("one", "One", "", image_tag(Image(2, 2, 3), "a picture"));
  const std::string html = page.html();
  EXPECT_EQ(html.find("http://"), html.npos);
  EXPECT_EQ(html.find("https://"), html.npos);
  EXPECT_EQ(html.find("<title><title>"), html.npos);
  EXPECT_NE(html.find("data:image/png;base64,iVBOR"), html.npos);
}

}  // namespace
}  // namespace fovea
