/// A picture in Scalable Vector Graphics 1.1, made of a few shapes. Lengths are in pixels, y grows downwards.
public struct SVGPicture {
  /// The picture's width in pixels.
  public let width: Double
  /// The picture's height in pixels.
  public let height: Double
  private var elements: [String] = []

  /// Where a text's position is.
  public enum Anchor: String {
    /// Its beginning, its middle or its end.
    case start, middle, end
  }

  /// A white picture.
  public init(width: Double, height: Double) {
    (self.width, self.height) = (width, height)
    elements.append("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>")
  }

  /// A straight line.
  public mutating func line(
    from: SIMD2<Double>, to: SIMD2<Double>, colour: String, width: Double = 1
  ) {
    elements.append(
      "<line x1=\"\(text(from.x))\" y1=\"\(text(from.y))\" x2=\"\(text(to.x))\" y2=\"\(text(to.y))\" "
        + "stroke=\"\(escaped(colour))\" stroke-width=\"\(text(width))\"/>")
  }

  /// A line through points; `dashes` are the lengths of dash and gap.
  public mutating func path(
    through points: [SIMD2<Double>], colour: String, width: Double = 1.5, dashes: [Double] = []
  ) {
    guard points.count > 1 else { return }
    let list = points.map { "\(text($0.x)),\(text($0.y))" }.joined(separator: " ")
    let pattern =
      dashes.isEmpty
      ? "" : " stroke-dasharray=\"\(dashes.map(text).joined(separator: " "))\""
    elements.append(
      "<polyline points=\"\(list)\" fill=\"none\" stroke=\"\(escaped(colour))\" "
        + "stroke-width=\"\(text(width))\"\(pattern)/>")
  }

  /// A filled circle with a title that viewers show under the pointer.
  public mutating func point(at centre: SIMD2<Double>, colour: String, title: String) {
    elements.append(
      "<circle cx=\"\(text(centre.x))\" cy=\"\(text(centre.y))\" r=\"3.5\" "
        + "fill=\"\(escaped(colour))\"><title>\(escaped(title))</title></circle>")
  }

  /// The outline of a rectangle, from its upper left corner.
  public mutating func rectangle(
    corner: SIMD2<Double>, size: SIMD2<Double>, stroke: String
  ) {
    elements.append(
      "<rect x=\"\(text(corner.x))\" y=\"\(text(corner.y))\" width=\"\(text(size.x))\" "
        + "height=\"\(text(size.y))\" fill=\"none\" stroke=\"\(escaped(stroke))\"/>")
  }

  /// - Parameters:
  ///   - words: the text.
  ///   - position: of the text's `anchor`.
  ///   - anchor: the part of the text that is at the position.
  ///   - size: of the letters, in pixels.
  ///   - isBold: whether they are bold.
  ///   - degrees: clockwise about the position.
  public mutating func write(
    _ words: String, at position: SIMD2<Double>, anchor: Anchor = .start, size: Double = 12,
    isBold: Bool = false, degrees: Double = 0
  ) {
    let turn =
      degrees == 0
      ? "" : " transform=\"rotate(\(text(degrees)) \(text(position.x)) \(text(position.y)))\""
    elements.append(
      "<text x=\"\(text(position.x))\" y=\"\(text(position.y))\" font-size=\"\(text(size))\" "
        + "text-anchor=\"\(anchor.rawValue)\"\(isBold ? " font-weight=\"bold\"" : "")\(turn)>"
        + "\(escaped(words))</text>")
  }

  /// The whole document, with a newline at its end.
  public var document: String {
    """
    <?xml version="1.0" encoding="UTF-8"?>
    <svg xmlns="http://www.w3.org/2000/svg" width="\(text(width))" height="\(text(height))" \
    viewBox="0 0 \(text(width)) \(text(height))" font-family="Helvetica, Arial, sans-serif">
    \(elements.joined(separator: "\n"))
    </svg>

    """
  }

  /// Numbers with at most two digits after the point; never `nan` or an exponent.
  private func text(_ value: Double) -> String {
    precondition(value.isFinite, "a picture of \(value)")
    let fixed = Format.fixed(value, 2)
    return fixed.hasSuffix(".00") ? String(fixed.dropLast(3)) : fixed
  }

  private func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .replacing("\"", with: "&quot;")
  }
}
