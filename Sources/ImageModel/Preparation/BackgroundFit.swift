import Foundation

/// What lies under a particle: a plane, fitted outside the particle's radius, and the noise about it.
struct ImageBackground: Sendable {
  /// The plane: `mean + columnSlope * x + rowSlope * y` at the pixel x columns and y rows from pixel size / 2.
  var mean = 0.0
  var columnSlope = 0.0
  var rowSlope = 0.0
  /// Variance of the pixels outside the particle about the plane, of which the fit has taken none away.
  var variance = 0.0
  /// Half the mean square difference of neighbouring pixels in two halves of the background, opposite quadrants each:
  /// two estimates of the noise's strength that have no chance in common, and hardly anything of the particle's fringes.
  var halves = (first: 0.0, second: 0.0)
  /// The means of these halves, the slopes taken off.
  var halfMeans = (first: 0.0, second: 0.0)
  /// A quarter of the mean square of differences' differences, along and across, in the middle of the box: the noise's
  /// variance where it is white, for no particle has much at the highest frequencies.
  var fineVariance = 0.0
  /// What the slopes explain of the pixels outside the particle, over the noise's variance.
  var slopeChi = 0.0
  /// The largest distance of a pixel from the plane, in standard deviations of the noise.
  var extreme = 0.0
  /// Pixels further from the plane than `BackgroundFit.outlier` standard deviations.
  var outliers = 0

  /// The plane's value x columns and y rows from pixel size / 2.
  func plane(_ x: Double, _ y: Double) -> Double { mean + columnSlope * x + rowSlope * y }

  /// The square of what the plane adds to the noise's standard deviation at the box's edge: 1 where a slope is as
  /// strong as the noise.
  func slope(size: Int) -> Double {
    let half = Double(size) / 2
    return variance > 0
      ? (columnSlope * columnSlope + rowSlope * rowSlope) * half * half / variance : 0
  }
}

/// Fits planes to images' backgrounds by least squares (method E.14.1), without pixels that noise does not explain: dust, hot pixels,
/// neighbours. One instance a thread.
final class BackgroundFit {
  /// Standard deviations of the noise beyond which a pixel takes no part.
  let outlier: Double
  /// The edge of an image in pixels.
  let size: Int
  /// Pixels outside the particle, and where they lie.
  private let pixels: [Int]
  private let columns: [Double]
  private let rows: [Double]
  /// Every so many of them tell what is usual.
  private let step: Int
  /// Rows of the middle, from the first to the last pixel that differences are taken of.
  private let middle: Range<Int>
  private var sample: [Float] = []
  private var values: [Double]

  private static var sampleSize: Int { 2048 }

  /// - Parameter radius: pixels; the background lies outside.
  init(size: Int, radius: Double, outlier: Double) {
    self.size = size
    self.outlier = outlier
    pixels = Self.background(size: size, radius: radius)
    columns = pixels.map { Double($0 % size - size / 2) }
    rows = pixels.map { Double($0 / size - size / 2) }
    step = max(1, pixels.count / Self.sampleSize)
    middle = size / 2 - size / 5..<size / 2 + size / 5 + 1
    values = .init(repeating: 0, count: pixels.count)
  }

  /// Pixels of the background.
  var pixelCount: Int { pixels.count }

  /// The pixels further than `radius` from pixel size / 2, row-major.
  static func background(size: Int, radius: Double) -> [Int] {
    (0..<size * size).filter {
      let (row, column) = ($0 / size - size / 2, $0 % size - size / 2)
      return Double(row * row + column * column) > radius * radius
    }
  }

  /// Of an image of finite pixels, size x size, row-major.
  func fit(_ image: UnsafePointer<Float>) -> ImageBackground {
    // The usual value and distance from it, whatever a few pixels are like.
    sample.removeAll(keepingCapacity: true)
    for i in stride(from: 0, to: pixels.count, by: step) { sample.append(image[pixels[i]]) }
    let usual = median(&sample)
    for i in sample.indices { sample[i] = abs(sample[i] - usual) }
    // Of a normal distribution; where half of the pixels are equal, by their squares.
    var deviation = 1.4826 * Double(median(&sample))
    let center = Double(usual)
    for (i, pixel) in pixels.enumerated() { values[i] = Double(image[pixel]) - center }
    if !(deviation > 0) {
      deviation = (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot()
    }
    var result = ImageBackground()
    for _ in 0..<3 {
      let kept = leastSquares(&result, within: outlier * deviation)
      let next = result.variance.squareRoot()
      if kept == values.count || abs(next - deviation) < 0.01 * deviation { break }
      deviation = next
    }
    measureHalves(&result, within: outlier * deviation)
    result.mean += center
    result.halfMeans.first += center
    result.halfMeans.second += center
    result.fineVariance = fineVariance(of: image)
    measureExtremes(of: image, &result)
    return result
  }

  /// Fits the plane to the pixels near the last one, and returns how many they are.
  private func leastSquares(_ fit: inout ImageBackground, within limit: Double) -> Int {
    var (n, x, y, xx, xy, yy) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    var (v, vx, vy, vv) = (0.0, 0.0, 0.0, 0.0)
    for i in values.indices {
      let value = values[i]
      if abs(value - fit.plane(columns[i], rows[i])) > limit { continue }
      let (a, b) = (columns[i], rows[i])
      (n, x, y) = (n + 1, x + a, y + b)
      (xx, xy, yy) = (xx + a * a, xy + a * b, yy + b * b)
      (v, vx, vy, vv) = (v + value, vx + value * a, vy + value * b, vv + value * value)
    }
    guard n > 3 else { return 0 }
    let (cxx, cxy, cyy) = (xx - x * x / n, xy - x * y / n, yy - y * y / n)
    let (cxv, cyv) = (vx - x * v / n, vy - y * v / n)
    let determinant = cxx * cyy - cxy * cxy
    if determinant > 1e-9 * cxx * cyy {
      fit.columnSlope = (cxv * cyy - cyv * cxy) / determinant
      fit.rowSlope = (cyv * cxx - cxv * cxy) / determinant
    }
    fit.mean = (v - fit.columnSlope * x - fit.rowSlope * y) / n
    // Sum of squares about the mean less what the slopes explain.
    let rest = vv - v * v / n - fit.columnSlope * cxv - fit.rowSlope * cyv
    fit.variance = max(0, rest) / (n - 3)
    let explained = fit.columnSlope * cxv + fit.rowSlope * cyv
    fit.slopeChi = fit.variance > 0 ? max(0, explained) / fit.variance : 0
    return Int(n)
  }

  private func measureHalves(_ fit: inout ImageBackground, within limit: Double) {
    // Of each half: squared differences, then values less the slopes.
    var squares = ((sum: 0.0, count: 0.0), (sum: 0.0, count: 0.0))
    var means = squares
    func add(
      _ value: Double, _ side: Double,
      _ sums: inout ((sum: Double, count: Double), (sum: Double, count: Double))
    ) {
      if side > 0 {
        sums.0 = (sums.0.sum + value, sums.0.count + 1)
      } else if side < 0 {
        sums.1 = (sums.1.sum + value, sums.1.count + 1)
      }
    }
    for (i, value) in values.enumerated() {
      let (x, y) = (columns[i], rows[i])
      if abs(value - fit.plane(x, y)) > limit { continue }
      add(value - fit.columnSlope * x - fit.rowSlope * y, x * y, &means)
      if i + 1 < values.count, pixels[i + 1] == pixels[i] + 1, columns[i + 1] > x {
        let difference = values[i + 1] - value - fit.columnSlope
        if abs(difference) <= limit { add(difference * difference, x * y, &squares) }
      }
    }
    fit.halves = (
      squares.0.sum / max(1, squares.0.count) / 2, squares.1.sum / max(1, squares.1.count) / 2
    )
    fit.halfMeans = (means.0.sum / max(1, means.0.count), means.1.sum / max(1, means.1.count))
  }

  private func fineVariance(of image: UnsafePointer<Float>) -> Double {
    var (sum, count) = (0.0, 0)
    for row in middle.dropLast() {
      for column in middle.dropLast() {
        let at = row * size + column
        let upper = Double(image[at + 1]) - Double(image[at])
        let lower = Double(image[at + size + 1]) - Double(image[at + size])
        sum += (lower - upper) * (lower - upper)
        count += 1
      }
    }
    return count > 0 ? sum / Double(4 * count) : 0
  }

  private func measureExtremes(of image: UnsafePointer<Float>, _ result: inout ImageBackground) {
    let deviation = result.variance.squareRoot()
    guard deviation > 0 else { return }
    let limit = outlier * deviation
    var largest = 0.0
    for row in 0..<size {
      var plane = result.plane(Double(-(size / 2)), Double(row - size / 2))
      for column in 0..<size {
        let distance = abs(Double(image[row * size + column]) - plane)
        largest = max(largest, distance)
        if distance > limit { result.outliers += 1 }
        plane += result.columnSlope
      }
    }
    result.extreme = largest / deviation
  }
}

/// The median of finite values, which are left in another order: the upper of two. Selected, not sorted (Hoare 1961).
func median(_ values: inout [Float]) -> Float {
  let middle = values.count / 2
  var (low, high) = (0, values.count - 1)
  values.withUnsafeMutableBufferPointer { values in
    while low < high {
      let pivot = values[(low + high) / 2]
      var (i, j) = (low, high)
      while i <= j {
        while values[i] < pivot { i += 1 }
        while pivot < values[j] { j -= 1 }
        if i <= j {
          values.swapAt(i, j)
          (i, j) = (i + 1, j - 1)
        }
      }
      // Those from j + 1 to i - 1 equal the pivot.
      if middle <= j { high = j } else if middle >= i { low = i } else { break }
    }
  }
  return values[middle]
}
