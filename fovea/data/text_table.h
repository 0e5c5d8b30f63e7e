// Tables as text: CSV and its relatives.
#pragma once

#include <memory>

#include "fovea/base/bytes.h"
#include "fovea/data/table.h"

namespace fovea {

struct TextTableOptions {
  // The column of the classes: its name, or its number from 1 on; "none": there are none. Empty: the one called label,
  // class, species or target in either case, else the last.
  std::string label;
  std::string header = "auto";  // yes, no; auto: whether the first row has text where the second has a number
  // The classes by number, where another part of the set has settled them; a row of another class is an error.
  std::vector<std::string> classes;
  std::string description = "table";
};

// Whether the first rows of a text file read as a table of numbers, not as a list of pictures: several columns, and no
// field that names a picture. Never throws.
bool looks_like_table(const Bytes& text);

// A table in RFC 4180's CSV with ',', ';' or tabs between the fields (what the first row has most of), fields in quotes
// or not, rows ended by LF or CRLF, blank lines left out. Columns called "", "rownames" or "Unnamed: 0" number the rows
// and are left out; all others but the label must be finite numbers. Classes that are whole numbers from 0 on are their
// own index; otherwise the different texts, sorted (as numbers where all are whole), are the classes. Without classes
// every row has class 0, "unlabelled". Throws Error{format} naming the file, line and column, Error{usage} for a label
// column that is not there.
std::unique_ptr<TableSet> read_text_table(const Bytes& text, const TextTableOptions& options = {});

}  // namespace fovea
