/// The coefficients of the interpolating cubic B-spline of an image, mirrored at its edges.
///
/// Source: Unser, Splines: a perfect fit for signal and image processing, IEEE Signal Processing
/// Magazine 16 (1999), box 2; the same filter as `scipy.ndimage.spline_filter` with mode `mirror`.
struct CubicSpline {
  /// Pixels added before and after each row and column, so that no sample needs a test for edges.
  package static let margin = (before: 1, after: 2)

  /// The side of the image in pixels, at least 2.
  package let side: Int
  /// The side of the coefficients with their margins.
  package var stride: Int { side + Self.margin.before + Self.margin.after }
  /// Row-major, `stride` x `stride`; pixel (x, y) of the image is at (x + 1, y + 1).
  package private(set) var coefficients: [Float]

  private static let pole: Float = -0.267_949_192_431_122_7  // sqrt(3) - 2
  private static let gain: Float = 6

  /// The weights of mirrored samples in the first causal coefficient, for this side.
  private let startWeights: [Float]

  init(side: Int) {
    precondition(side >= 2)
    self.side = side
    let stride = side + Self.margin.before + Self.margin.after
    coefficients = [Float](repeating: 0, count: stride * stride)
    let pole = Double(Self.pole)
    let period = 2 * side - 2
    func power(_ exponent: Int) -> Double { (0..<exponent).reduce(1) { value, _ in value * pole } }
    startWeights = (0..<side).map { k in
      let mirrored = k == 0 || k == side - 1 ? 0 : power(period - k)
      return Float((power(k) + mirrored) / (1 - power(period)))
    }
  }

  /// Replaces the coefficients by those of a row-major image of `side` x `side` pixels.
  package mutating func fit(_ pixels: UnsafeBufferPointer<Float>) {
    precondition(pixels.count == side * side)
    let side = side
    let stride = stride
    let before = Self.margin.before
    let weights = startWeights
    coefficients.withUnsafeMutableBufferPointer { buffer in
      let first = buffer.baseAddress! + before * stride + before
      for y in 0..<side {
        (first + y * stride).update(from: pixels.baseAddress! + y * side, count: side)
      }
      for y in 0..<side {
        Self.filter(first + y * stride, count: side, step: 1, lanes: 1, lane: 0, weights)
      }
      Self.filter(first, count: side, step: stride, lanes: side, lane: 1, weights)
      // The margins repeat the mirrored coefficients: rows first, then whole columns.
      for y in 0..<side {
        let row = first + y * stride
        row[-1] = row[1]
        row[side] = row[side - 2]
        row[side + 1] = row[abs(side - 3)]
      }
      let start = buffer.baseAddress!
      func copyRow(_ source: Int, to target: Int) {
        (start + (target + before) * stride).update(
          from: start + (source + before) * stride, count: stride)
      }
      copyRow(1, to: -1)
      copyRow(side - 2, to: side)
      copyRow(abs(side - 3), to: side + 1)
    }
  }

  /// Filters `lanes` parallel signals in place; element k of a signal is `step` * k further, and the
  /// signals are `lane` apart.
  private static func filter(
    _ data: UnsafeMutablePointer<Float>, count: Int, step: Int, lanes: Int, lane: Int,
    _ startWeights: [Float]
  ) {
    let last = data + (count - 1) * step
    for l in 0..<lanes {
      var sum: Float = 0
      // The pole's 24th power is below single precision.
      for k in 0..<min(count, 24) { sum += startWeights[k] * data[k * step + l * lane] }
      data[l * lane] = gain * sum
    }
    for k in 1..<count {
      let current = data + k * step
      let previous = current - step
      for l in 0..<lanes {
        current[l * lane] = gain * current[l * lane] + pole * previous[l * lane]
      }
    }
    let end = pole / (pole * pole - 1)
    for l in 0..<lanes {
      last[l * lane] = end * (last[l * lane] + pole * last[l * lane - step])
    }
    for k in (0..<count - 1).reversed() {
      let current = data + k * step
      let next = current + step
      for l in 0..<lanes { current[l * lane] = pole * (next[l * lane] - current[l * lane]) }
    }
  }
}
