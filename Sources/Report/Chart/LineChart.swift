/// A chart of lines and points over two axes, with a legend at its right.
public struct LineChart {
  /// One line or set of points.
  public struct Series {
    /// How a series is drawn.
    public enum Style {
      /// Measured: points, and a line through them.
      case points
      /// A line without points.
      case line
      /// A dashed line without points.
      case dashed
    }

    /// Its name in the legend.
    public let label: String
    /// How it is drawn.
    public let style: Style
    /// Its colour, as SVG names it.
    public let colour: String
    /// x and y; those that an axis cannot show are left out.
    public let values: [SIMD2<Double>]

    /// A series with these values.
    public init(_ label: String, style: Style, colour: String, values: [SIMD2<Double>]) {
      (self.label, self.style, self.colour, self.values) = (label, style, colour, values)
    }
  }

  /// What is written above the chart.
  public let title: String
  /// The horizontal axis.
  public let x: ChartAxis
  /// The vertical axis.
  public let y: ChartAxis
  /// What is drawn, the first at the bottom.
  public let series: [Series]

  /// A chart of these series.
  public init(title: String, x: ChartAxis, y: ChartAxis, series: [Series]) {
    (self.title, self.x, self.y, self.series) = (title, x, y, series)
  }

  /// Colours that are told apart by most people (Okabe and Ito).
  public static let colours = [
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8A6D3B",
    "#6A3D9A", "#999999",
  ]

  /// Draws the chart into the rectangle of a picture.
  public func draw(
    into picture: inout SVGPicture, corner: SIMD2<Double>, size: SIMD2<Double>
  ) {
    let legend = 190.0
    let plot = SIMD2(size.x - legend - 75, size.y - 80)
    let origin = corner + SIMD2(65, 30)
    func place(_ value: SIMD2<Double>) -> SIMD2<Double> {
      origin + SIMD2(x.place(of: value.x) * plot.x, (1 - y.place(of: value.y)) * plot.y)
    }
    picture.write(title, at: corner + SIMD2(65, 18), size: 14, isBold: true)
    for mark in x.marks {
      let foot = place(SIMD2(mark, y.range.lowerBound))
      picture.line(from: foot, to: foot - SIMD2(0, plot.y), colour: "#e4e4e4")
      picture.write(x.label(mark), at: foot + SIMD2(0, 17), anchor: .middle)
    }
    for mark in y.marks {
      let left = place(SIMD2(x.range.lowerBound, mark))
      picture.line(from: left, to: left + SIMD2(plot.x, 0), colour: "#e4e4e4")
      picture.write(y.label(mark), at: left + SIMD2(-7, 4), anchor: .end)
    }
    picture.rectangle(corner: origin, size: plot, stroke: "#555555")
    picture.write(x.title, at: origin + SIMD2(plot.x / 2, plot.y + 38), anchor: .middle)
    picture.write(
      y.title, at: SIMD2(corner.x + 14, origin.y + plot.y / 2), anchor: .middle, degrees: -90)
    for (at, series) in series.enumerated() {
      let values = series.values.filter { x.holds($0.x) && y.holds($0.y) }
      picture.path(
        through: values.map(place), colour: series.colour,
        dashes: series.style == .dashed ? [6, 4] : [])
      if series.style == .points {
        for value in values {
          picture.point(
            at: place(value), colour: series.colour,
            title: "\(series.label): \(x.label(value.x)), \(y.label(value.y))")
        }
      }
      let entry = origin + SIMD2(plot.x + 14, 8 + 18 * Double(at))
      picture.path(
        through: [entry, entry + SIMD2(24, 0)], colour: series.colour,
        dashes: series.style == .dashed ? [6, 4] : [])
      if series.style == .points {
        picture.point(at: entry + SIMD2(12, 0), colour: series.colour, title: series.label)
      }
      picture.write(series.label, at: entry + SIMD2(30, 4))
    }
  }
}
