// Shapes are signed distances: below zero inside, above outside, in units of the shape's radius. How much of a pixel a
// shape covers follows from the distance at its centre.
#include "dataset/shapes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace resnet {
namespace {

constexpr double kPi = std::numbers::pi;

struct Point {
  double x = 0;
  double y = 0;
};

double length(double x, double y) { return std::sqrt(x * x + y * y); }

Point rotated(Point p, double angle) {
  return {p.x * std::cos(angle) - p.y * std::sin(angle), p.x * std::sin(angle) + p.y * std::cos(angle)};
}

struct Color {
  double r = 0;
  double g = 0;
  double b = 0;
};

Color mix(const Color& a, const Color& b, double amount) {
  return {a.r + (b.r - a.r) * amount, a.g + (b.g - a.g) * amount, a.b + (b.b - a.b) * amount};
}

double distance(const Color& a, const Color& b) {
  const double red = a.r - b.r;
  const double green = a.g - b.g;
  const double blue = a.b - b.b;
  return std::sqrt(red * red + green * green + blue * blue);
}

// Of hue, saturation and value in 0..1 (Smith 1978, "Color gamut transform pairs").
Color from_hsv(double h, double s, double v) {
  const auto channel = [&](double n) {
    const double k = std::fmod(n + h * 6, 6);
    return v - v * s * std::clamp(std::min(k, 4 - k), 0.0, 1.0);
  };
  return {channel(5), channel(3), channel(1)};
}

Color draw_color(Random& random) {
  return from_hsv(random.uniform(), random.uniform(0.15, 0.95), random.uniform(0.25, 1.0));
}

// --- shapes

using Polygon = std::vector<Point>;

Polygon regular(int corners) {
  Polygon polygon;
  for (int i = 0; i < corners; ++i) polygon.push_back(rotated({0, -1}, 2 * kPi * i / corners));
  return polygon;
}

Polygon star() {
  Polygon polygon;
  for (int i = 0; i < 10; ++i) polygon.push_back(rotated({0, i % 2 == 0 ? -1.05 : -0.45}, kPi * i / 5));
  return polygon;
}

Polygon cross() {
  constexpr double kIn = 0.33;
  return {{-kIn, -1}, {kIn, -1}, {kIn, -kIn}, {1, -kIn}, {1, kIn},   {kIn, kIn},
          {kIn, 1},   {-kIn, 1}, {-kIn, kIn}, {-1, kIn}, {-1, -kIn}, {-kIn, -kIn}};
}

Polygon arrow() {
  return {{0, -1.05}, {0.8, -0.15}, {0.3, -0.15}, {0.3, 0.95}, {-0.3, 0.95}, {-0.3, -0.15}, {-0.8, -0.15}};
}

// The curve x = 16 sin^3 t, y = 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t.
Polygon heart() {
  constexpr int kCorners = 36;
  Polygon polygon;
  for (int i = 0; i < kCorners; ++i) {
    const double t = 2 * kPi * i / kCorners;
    const double y = 13 * std::cos(t) - 5 * std::cos(2 * t) - 2 * std::cos(3 * t) - std::cos(4 * t);
    polygon.push_back({std::pow(std::sin(t), 3), -(y + 2.5) / 15});
  }
  return polygon;
}

// The distance to the nearest side, with the sign of the even-odd rule.
double polygon_distance(const Polygon& polygon, Point p) {
  double nearest = 1e9;
  bool inside = false;
  for (std::size_t i = 0, j = polygon.size() - 1; i < polygon.size(); j = i++) {
    const Point a = polygon[i];
    const Point side{polygon[j].x - a.x, polygon[j].y - a.y};
    const Point from{p.x - a.x, p.y - a.y};
    const double along =
        std::clamp((from.x * side.x + from.y * side.y) / (side.x * side.x + side.y * side.y), 0.0, 1.0);
    nearest = std::min(nearest, length(from.x - side.x * along, from.y - side.y * along));
    if ((a.y > p.y) != (polygon[j].y > p.y) && p.x < a.x + side.x * (p.y - a.y) / side.y) inside = !inside;
  }
  return inside ? -nearest : nearest;
}

using Distance = double (*)(Point);

template <auto kMake>
double distance_to(Point p) {
  static const Polygon kPolygon = kMake();
  return polygon_distance(kPolygon, p);
}

struct Shape {
  const char* name;
  Distance distance;
};

const std::array<Shape, 10>& shapes() {
  static constexpr std::array<Shape, 10> kShapes = {{
      {"arrow", distance_to<arrow>},
      {"circle", [](Point p) { return length(p.x, p.y) - 0.92; }},
      {"crescent", [](Point p) { return std::max(length(p.x, p.y) - 1, 0.82 - length(p.x - 0.42, p.y)); }},
      {"cross", distance_to<cross>},
      {"heart", distance_to<heart>},
      {"hexagon", distance_to<[] { return regular(6); }>},
      {"ring", [](Point p) { return std::abs(length(p.x, p.y) - 0.74) - 0.22; }},
      {"square", distance_to<[] {
         return Polygon{{-0.8, -0.8}, {0.8, -0.8}, {0.8, 0.8}, {-0.8, 0.8}};
       }>},
      {"star", distance_to<star>},
      {"triangle", distance_to<[] { return regular(3); }>},
  }};
  return kShapes;
}

// --- surfaces

// Two colours in a pattern; places go from 0 to 1 over the picture.
class Texture {
 public:
  Texture(const Color& first, const Color& second, Random& random)
      : first_(first),
        second_(second),
        kind_(random.below(5)),
        angle_(random.uniform(0, 2 * kPi)),
        frequency_(random.uniform(3, 9)),
        shift_{random.uniform(), random.uniform()},
        seed_(random.bits()) {}

  Color at(Point p) const { return mix(first_, second_, amount(rotated({p.x - 0.5, p.y - 0.5}, angle_))); }

 private:
  double amount(Point p) const {
    const double u = p.x * frequency_ + shift_.x;
    const double v = p.y * frequency_ + shift_.y;
    switch (kind_) {
      case 0: return std::clamp(p.x + 0.5, 0.0, 1.0);                                // from one to the other
      case 1: return 0.5 + 0.5 * soft(std::sin(2 * kPi * u));                        // stripes
      case 2: return 0.5 + 0.5 * soft(std::sin(kPi * u)) * soft(std::sin(kPi * v));  // a chessboard
      case 3: return 0.5 - 0.5 * soft(4 * (length(u - std::round(u), v - std::round(v)) - 0.3));  // dots
      default: return cloud(u, v);
    }
  }

  static double soft(double x) { return std::clamp(3 * x, -1.0, 1.0); }

  // Random values at whole numbers, smooth in between.
  double cloud(double u, double v) const {
    const auto corner = [&](double x, double y) {
      const auto part = [](double value) { return static_cast<std::uint64_t>(static_cast<std::int64_t>(value)); };
      return static_cast<double>(seed_of({seed_, part(x), part(y)}) >> 11) * 0x1p-53;
    };
    const double x = std::floor(u);
    const double y = std::floor(v);
    const double s = smooth(u - x);
    const double t = smooth(v - y);
    const double top = corner(x, y) + (corner(x + 1, y) - corner(x, y)) * s;
    const double bottom = corner(x, y + 1) + (corner(x + 1, y + 1) - corner(x, y + 1)) * s;
    return top + (bottom - top) * t;
  }

  static double smooth(double t) { return t * t * (3 - 2 * t); }

  Color first_;
  Color second_;
  int kind_;
  double angle_;
  double frequency_;
  Point shift_;
  std::uint64_t seed_;
};

// A thin line that means nothing.
struct Scratch {
  explicit Scratch(Random& random)
      : ends{{random.uniform(), random.uniform()}, {random.uniform(), random.uniform()}},
        color(draw_color(random)),
        opacity(random.uniform(0.3, 0.8)) {}

  Polygon ends;
  Color color;
  double opacity;
};

// The colours of background and shape, two each; those of the shape stand out.
struct Palette {
  explicit Palette(Random& random) : back{draw_color(random)}, front{draw_color(random)} {
    constexpr double kContrast = 0.6;
    back[1] = mix(back[0], draw_color(random), random.uniform(0.1, 0.35));
    while (distance(front[0], back[0]) < kContrast || distance(front[0], back[1]) < kContrast) {
      front[0] = draw_color(random);
    }
    front[1] = mix(front[0], draw_color(random), random.uniform(0.0, 0.45));
  }

  std::array<Color, 2> back;
  std::array<Color, 2> front;
};

// All that is drawn at random of a picture, but for the noise itself.
struct Scene {
  Scene(std::size_t shape_index, int pixels, Random& random)
      : shape(shapes()[shape_index]),
        size(pixels),
        palette(random),
        background(palette.back[0], palette.back[1], random),
        surface(palette.front[0], palette.front[1], random) {
    edge = mix(palette.front[0], random.below(2) == 0 ? Color{} : Color{1, 1, 1}, 0.7);
    edge_width = random.below(3) == 0 ? random.uniform(0.05, 0.14) : 0;
    radius = random.uniform(0.26, 0.42);
    stretch = random.uniform(0.85, 1.18);
    angle = random.uniform(0, 2 * kPi);
    const double room = 0.5 - radius * 0.9;
    center = {0.5 + random.uniform(-room, room), 0.5 + random.uniform(-room, room)};
    for (int i = random.below(3); i > 0; --i) scratches.emplace_back(random);
    noise = random.uniform(0.0, 0.04);
    light = {random.uniform(-0.15, 0.15), random.uniform(-0.15, 0.15)};
  }

  Color at(Point p) const {
    Color color = background.at(p);
    const double pixel = 1.0 / size;
    for (const Scratch& scratch : scratches) {
      const double away = std::abs(polygon_distance(scratch.ends, p)) - 0.008;
      color = mix(color, scratch.color, scratch.opacity * std::clamp(0.5 - away / pixel, 0.0, 1.0));
    }
    Point q = rotated({p.x - center.x, p.y - center.y}, -angle);
    q = {q.x / radius * stretch, q.y / radius / stretch};
    const double away = shape.distance(q);
    const double to_pixels = radius / pixel;
    const Color fill = edge_width > 0 && away > -edge_width
                           ? mix(surface.at(p), edge, std::clamp((away + edge_width) * to_pixels, 0.0, 1.0))
                           : surface.at(p);
    color = mix(color, fill, std::clamp(0.5 - away * to_pixels, 0.0, 1.0));
    return mix(color, Color{}, std::clamp(0.1 + light.x * (p.x - 0.5) + light.y * (p.y - 0.5), 0.0, 1.0));
  }

  const Shape& shape;
  int size;
  Palette palette;
  Texture background;
  Texture surface;
  Color edge;
  double edge_width = 0;  // of the radius
  double radius = 0;
  double stretch = 1;
  double angle = 0;
  Point center;
  std::vector<Scratch> scratches;
  double noise = 0;
  Point light;
};

}  // namespace

const std::vector<std::string>& shape_names() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (const Shape& shape : shapes()) names.emplace_back(shape.name);
    return names;
  }();
  return kNames;
}

Image draw_shape(std::size_t shape, int size, Random& random) {
  const Scene scene(shape, size, random);
  Image image{size, size, 3, {}};
  image.pixels.reserve(static_cast<std::size_t>(size) * static_cast<std::size_t>(size) * 3);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const Color color = scene.at({(x + 0.5) / size, (y + 0.5) / size});
      for (const double value : {color.r, color.g, color.b}) {
        const double noisy = value + scene.noise * random.normal();
        image.pixels.push_back(static_cast<std::uint8_t>(std::clamp(noisy * 255 + 0.5, 0.0, 255.0)));
      }
    }
  }
  return image;
}

}  // namespace resnet
