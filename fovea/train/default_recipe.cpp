#include "fovea/train/default_recipe.h"

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/model/zoo/zoo.h"
#include "fovea/ops/batch_norm.h"
#include "fovea/train/recipe_text.h"

namespace fovea {

namespace {

// Patterns with * for any letters. Linear in time but for the length of the pattern.
bool matches(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern[0] != '*') return !name.empty() && pattern[0] == name[0] && matches(pattern.substr(1), name.substr(1));
  for (size_t skip = 0; skip <= name.size(); ++skip)
    if (matches(pattern.substr(1), name.substr(skip))) return true;
  return false;
}

constexpr const char* kDigits = R"(
epochs = 20
batch = 64
preprocess = "set"
[optimiser]
nesterov = true
weight_decay = 5e-4
decay_all = false
[schedule]
kind = "one_cycle"
rate = 0.05
)";

constexpr const char* kImageNetNoNorm = R"(
epochs = 90
batch = 128
augment = "flip"
[optimiser]
weight_decay = 5e-4
[schedule]
kind = "step"
rate = 0.01
steps = [30]
)";

constexpr const char* kImageNet = R"(
epochs = 90
batch = 256
augment = "flip"
[optimiser]
weight_decay = 1e-4
[schedule]
kind = "step"
rate = 0.1
steps = [30]
)";

constexpr const char* kCifarCosine = R"(
epochs = 200
batch = 128
preprocess = "cifar"
augment = "flip,crop:4"
[optimiser]
weight_decay = 5e-4
[schedule]
kind = "cosine"
rate = 0.1
)";

constexpr const char* kCifarResidual = R"(
epochs = 164
batch = 128
preprocess = "cifar"
augment = "flip,crop:4"
[optimiser]
weight_decay = 1e-4
[schedule]
kind = "multi_step"
rate = 0.1
steps = [82, 123]
)";

constexpr const char* kBigCifar =
    "published epochs take days on a few cores: --epochs 12 to 40 come close (its steps move along)";
constexpr const char* kBigImageNet =
    "meant for a million pictures: with few of your own, begin with trained weights instead (`fovea fetch`)";

std::vector<PublishedRecipe> make_recipes() {
  const std::string warm = std::string(kCifarResidual) + "warm_up = 1\n";
  std::vector<PublishedRecipe> all = {
      {"lenet5_1998",
       "LeCun, Bottou, Bengio & Haffner 1998, section III: 20 passes, the rate falling 5 : 2 : 1 : 0.5 : 0.1; ours "
       "with "
       "momentum and batches, without second derivatives",
       "epochs = 20\nbatch = 32\npreprocess = \"set\"\n[schedule]\nkind = \"multi_step\"\nrate = 0.002\nsteps = [2, 5, "
       "8, 12]\nfactor = 0.4\n[initialisation]\nkind = \"lecun_uniform\"\n",
       ""},
      {"lenet1", "LeCun et al. 1989, with the schedule of 1998",
       "epochs = 20\nbatch = 32\npreprocess = \"set\"\n[schedule]\nkind = \"multi_step\"\nrate = 0.01\nsteps = [2, 5, "
       "8, 12]\nfactor = 0.4\n[initialisation]\nkind = \"lecun_uniform\"\n",
       ""},
      {"lenet*", "LeCun et al. 1998 with ReLU; one cycle: Smith & Topin 2018", std::string(kDigits) + "\n", ""},
      {"mlp*", "LeCun et al. 1998, Fig. 9, with ReLU; one cycle: Smith & Topin 2018", kDigits, ""},
      {"alexnet*",
       "Krizhevsky, Sutskever & Hinton 2012, section 5: batch 128, 0.01, 90 epochs, divided by 10 three times (here "
       "every 30 epochs)",
       kImageNetNoNorm, kBigImageNet},
      {"caffenet*", "Krizhevsky, Sutskever & Hinton 2012, section 5", kImageNetNoNorm, kBigImageNet},
      {"zfnet*", "Zeiler & Fergus 2014, section 3.1: 0.01, batch 128, 70 epochs, lowered by hand (here every 25)",
       "epochs = 70\nbatch = 128\naugment = \"flip\"\n[optimiser]\nweight_decay = 5e-4\n[schedule]\nkind = "
       "\"step\"\nrate = 0.01\nsteps = [25]\n",
       kBigImageNet},
      {"nin_cifar",
       "Lin, Chen & Yan 2014, section 4, and the authors' Caffe solver: batch 128, weight decay 1e-4, two drops at the "
       "end; the rate is lower and warmed up, for He's initialisation",
       "epochs = 200\nbatch = 128\npreprocess = \"cifar\"\naugment = \"flip,crop:4\"\n[optimiser]\nweight_decay = "
       "1e-4\n[schedule]\nkind = \"multi_step\"\nrate = 0.02\nsteps = [160, 180]\nwarm_up = 2\n",
       kBigCifar},
      {"nin", "Lin, Chen & Yan 2014, section 4; AlexNet's schedule", kImageNetNoNorm, kBigImageNet},
      {"vgg_f", "Chatfield et al. 2014, section 3: 0.01, momentum 0.9, weight decay 5e-4", kImageNetNoNorm,
       kBigImageNet},
      {"vgg_m", "Chatfield et al. 2014, section 3: 0.01, momentum 0.9, weight decay 5e-4", kImageNetNoNorm,
       kBigImageNet},
      {"vgg_s", "Chatfield et al. 2014, section 3: 0.01, momentum 0.9, weight decay 5e-4", kImageNetNoNorm,
       kBigImageNet},
      {"vgg*_cifar", "Liu & Deng, ACPR 2015 (VGG with batch norm on CIFAR-10); cosine: Loshchilov & Hutter 2017",
       kCifarCosine, kBigCifar},
      {"vgg*",
       "Simonyan & Zisserman 2015, section 3.1: batch 256, 0.01, 74 epochs, divided by 10 three times (here at fixed "
       "epochs)",
       "epochs = 74\nbatch = 256\naugment = \"flip\"\n[optimiser]\nweight_decay = 5e-4\n[schedule]\nkind = "
       "\"multi_step\"\nrate = 0.01\nsteps = [30, 50, 65]\n",
       kBigImageNet},
      {"googlenet*",
       "Szegedy et al. 2015, section 6 (heads weigh 0.3), with BVLC's quick solver: batch 32, 0.01, 60 epochs, weight "
       "decay 2e-4; its rate falls with a square root, here linearly",
       "epochs = 60\nbatch = 32\naugment = \"flip\"\nhead_weight = 0.3\n[optimiser]\nweight_decay = "
       "2e-4\n[schedule]\nkind = \"linear\"\nrate = 0.01\n[initialisation]\nkind = \"xavier_uniform\"\n",
       kBigImageNet},
      {"allcnn*",
       "Springenberg et al. 2015, section 3.1: 350 epochs, weight decay 1e-3, divided by 10 at 200, 250, 300; their "
       "largest rate that trains",
       "epochs = 350\nbatch = 128\npreprocess = \"cifar\"\naugment = \"flip,crop:4\"\n[optimiser]\nweight_decay = "
       "1e-3\n[schedule]\nkind = \"multi_step\"\nrate = 0.01\nsteps = [200, 250, 300]\n",
       kBigCifar},
      {"highway_mnist", "Srivastava, Greff & Schmidhuber 2015, section 3: SGD with momentum, a rate that decays",
       kDigits, ""},
      {"highway*",
       "Srivastava, Greff & Schmidhuber 2015, section 4: SGD with momentum, a rate that decays (here a cosine), 400 "
       "epochs at most",
       "epochs = 200\nbatch = 128\npreprocess = \"cifar\"\naugment = \"flip,crop:4\"\n[optimiser]\nweight_decay = "
       "1e-4\nclip_norm = 5\n[schedule]\nkind = \"cosine\"\nrate = 0.05\nwarm_up = 2\n",
       kBigCifar},
      {"convnet_cifar", "Karpathy & Li 2015: Adam with its usual settings",
       "epochs = 20\nbatch = 128\naugment = \"flip\"\n[optimiser]\nkind = \"adam\"\n[schedule]\nkind = "
       "\"cosine\"\nrate = 2e-3\n",
       ""},
      {"resnet*_stochastic_cifar",
       "Huang, Sun, Liu, Sedra & Weinberger 2016, section 4: 500 epochs, Nesterov, divided by 10 at 250 and 375; "
       "blocks "
       "survive as the network says (p_L = 0.5)",
       "epochs = 500\nbatch = 128\npreprocess = \"cifar\"\naugment = \"flip,crop:4\"\n[optimiser]\nnesterov = "
       "true\nweight_decay = 1e-4\n[schedule]\nkind = \"multi_step\"\nrate = 0.1\nsteps = [250, "
       "375]\n[stochastic_depth]\nkind = \"built\"\n",
       kBigCifar},
  };
  // The deep CIFAR networks: ResNet-18, -34 and -50 have ImageNet's blocks and come from a later recipe.
  for (const char* name : {"resnet18_cifar", "resnet34_cifar", "resnet50_cifar"})
    all.push_back(
        {name, "He et al. 2016 for 32×32 pictures; cosine: Loshchilov & Hutter 2017", kCifarCosine, kBigCifar});
  for (const char* name : {"resnet110*_cifar*", "resnet1202_cifar", "preresnet*_cifar"})
    all.push_back({name,
                   "He, Zhang, Ren & Sun 2016, section 4.2: 0.1 divided by 10 at 32k and 48k of 64k updates; deep "
                   "ones warm up",
                   warm, kBigCifar});
  all.push_back({"resnet*_cifar*",
                 "He, Zhang, Ren & Sun 2016, section 4.2: batch 128, weight decay 1e-4, 0.1 divided by 10 at 32k and "
                 "48k of 64k updates; flips and crops",
                 kCifarResidual, kBigCifar});
  all.push_back({"resnet*",
                 "He, Zhang, Ren & Sun 2016, section 3.4, in the form of Goyal et al. 2017: batch 256, 0.1, 90 epochs, "
                 "divided by 10 every 30",
                 kImageNet, kBigImageNet});
  all.push_back({"squeezenet*",
                 "Iandola et al. 2016, the authors' solver: batch 512, 0.04 falling linearly over 170,000 updates (68 "
                 "epochs), weight decay 2e-4",
                 "epochs = 68\nbatch = 512\naugment = \"flip\"\n[optimiser]\nweight_decay = 2e-4\n[schedule]\nkind = "
                 "\"linear\"\nrate = 0.04\n[initialisation]\nkind = \"xavier_uniform\"\n",
                 kBigImageNet});
  all.push_back({"densenet*_cifar",
                 "Huang, Liu, van der Maaten & Weinberger 2017, section 4.2: batch 64, 300 epochs, Nesterov, 0.1 "
                 "divided by 10 at 1/2 and 3/4",
                 "epochs = 300\nbatch = 64\npreprocess = \"cifar\"\naugment = \"flip,crop:4\"\n[optimiser]\nnesterov "
                 "= true\nweight_decay = 1e-4\n[schedule]\nkind = \"multi_step\"\nrate = 0.1\nsteps = [150, 225]\n",
                 kBigCifar});
  all.push_back({"densenet*", "Huang, Liu, van der Maaten & Weinberger 2017, section 4.2: as ResNet, with Nesterov",
                 "epochs = 90\nbatch = 256\naugment = \"flip\"\n[optimiser]\nnesterov = true\nweight_decay = "
                 "1e-4\n[schedule]\nkind = \"step\"\nrate = 0.1\nsteps = [30]\n",
                 kBigImageNet});
  all.push_back({"fractalnet*",
                 "Larsson, Maire & Shakhnarovich 2017, section 4: batch 100, 0.02, 400 epochs, divided by 10 whenever "
                 "half of those that remain are over; drop-path 0.15, local and global",
                 "epochs = 400\nbatch = 100\npreprocess = \"cifar\"\naugment = \"flip,crop:4\"\n[optimiser]\n"
                 "weight_decay = 1e-4\n[schedule]\nkind = \"multi_step\"\nrate = 0.02\nsteps = [200, 300, 350, "
                 "375]\n[initialisation]\nkind = \"xavier_normal\"\n[drop_path]\nkind = \"mixed\"\nrate = 0.15\n",
                 kBigCifar});
  return all;
}

bool normalises_batches(const Graph& graph) {
  return std::any_of(graph.nodes().begin(), graph.nodes().end(),
                     [](const Node& node) { return node.op == &ops::batch_norm; });
}

// For a network that nobody published.
DefaultRecipe safe_recipe(const Model& model, const TrainingSetSize& set) {
  DefaultRecipe result;
  Recipe& r = result.recipe;
  const int input = model.graph.find(model.meaning.input);
  const Shape shape = input < 0 ? Shape{} : model.graph.type({input, 0}).shape;
  const bool picture = shape.rank() == 4;
  // Some 3000 updates at least, of 8 to 128 samples.
  r.batch = set.samples > 0 ? std::clamp<int64_t>(set.samples / 20, 8, 128) : 128;
  const double updates = set.samples > 0 ? static_cast<double>(set.samples) / static_cast<double>(r.batch) : 400;
  r.epochs = std::clamp(std::ceil(3000 / updates), 30.0, 300.0);
  r.optimiser.decay_all = false;
  r.schedule.kind = "one_cycle";
  if (normalises_batches(model.graph)) {
    r.optimiser.nesterov = true;
    r.optimiser.weight_decay = 5e-4;
    r.schedule.rate = 0.1;
    result.source = "SGD with Nesterov's momentum in one cycle: Smith & Topin 2018";
  } else {
    r.optimiser.kind = "adamw";
    r.optimiser.weight_decay = 0.01;
    r.optimiser.clip_norm = 5;
    r.schedule.rate = picture ? 1e-3 : 3e-3;
    result.source = "AdamW (Loshchilov & Hutter 2019) in one cycle (Smith & Topin 2018)";
  }
  if (!picture) return result;
  const int64_t side = set.side > 0 ? set.side : std::min(shape[2], shape[3]);
  // Mirrored digits are other signs; pictures of things are not. A shift by an eighth of the side.
  r.augment = shape[1] == 1 ? fmt::format("translate:{}", std::max<int64_t>(1, side / 14))
                            : fmt::format("flip,crop:{}:reflect", std::clamp<int64_t>(side / 8, 1, 64));
  return result;
}

}  // namespace

const std::vector<PublishedRecipe>& default_recipes() {
  static const std::vector<PublishedRecipe> all = make_recipes();
  return all;
}

const PublishedRecipe* find_default_recipe(std::string_view architecture) {
  for (const PublishedRecipe& published : default_recipes())
    if (matches(published.pattern, architecture)) return &published;
  return nullptr;
}

DefaultRecipe default_recipe(const Model& model, const TrainingSetSize& set) {
  DefaultRecipe result;
  const std::string& architecture = model.meaning.architecture;
  if (const PublishedRecipe* published = architecture.empty() ? nullptr : find_default_recipe(architecture)) {
    result.recipe = read_recipe(published->text, published->pattern);
    result.source = published->source;
    result.note = published->note;
    // The preprocessing that goes with trained weights is theirs.
    if (model.meaning.trained) result.recipe.preprocess.clear();
    const Architecture* known = find_architecture(architecture);
    const int input = model.graph.find(model.meaning.input);
    if (known && input >= 0 && model.graph.type({input, 0}).shape[1] != known->input[0])
      result.recipe.preprocess.clear();
  } else {
    result = safe_recipe(model, set);
  }
  Recipe& r = result.recipe;
  if (model.meaning.trained) {
    r = with_epochs(r, std::max(3.0, std::round(r.epochs / 10)));
    r.schedule.rate /= 10;
    result.note = "the weights are trained: a tenth of the rate and of the epochs, to fine-tune them";
  }
  if (set.samples > 0) r.batch = std::min(r.batch, set.samples);
  r.validation = 0.1;
  return result;
}

std::string default_recipes_page() {
  std::string page =
      "# Default recipes\n\nGenerated by `fovea docs`: how `fovea train` trains each network of the zoo when nothing "
      "else is said. What a recipe does not\nname is as in [recipe-keys.md](recipe-keys.md). Networks that are not "
      "named here take SGD with Nesterov's momentum in one cycle when\nthey have batch norm, else AdamW. A network "
      "with trained weights is fine-tuned with a tenth of the rate and of the epochs.\n";
  for (const PublishedRecipe& published : default_recipes()) {
    std::string names;
    for (const Architecture& a : architectures())
      if (find_default_recipe(a.name) == &published) names += (names.empty() ? "`" : ", `") + a.name + "`";
    if (names.empty()) continue;
    std::string text = published.text;
    while (!text.empty() && text.front() == '\n') text.erase(0, 1);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    page += fmt::format("\n## {}\n\n{}.\n\n```toml\n{}\n```\n", names, published.source, text);
  }
  return page;
}

}  // namespace fovea
