import Foundation
import Fourier

/// Rings of the Fourier grid that a noise spectrum is measured on: one grid step wide at low frequencies, wider where
/// the spectrum is smooth.
struct NoiseRings: Sendable {
  /// The first grid step of each ring; the last ring ends at the corner.
  let starts: [Int]
  /// The ring of each grid step.
  let ringOfStep: [Int]

  init(size: Int) {
    let count = NoiseSpectrum.count(size: size)
    var starts: [Int] = []
    var at = 0
    while at < count {
      starts.append(at)
      at += 1 + at / 12
    }
    // The grid ends at its corner, where a ring has few points.
    let corner = Int((Double(size / 2) * 2.0.squareRoot()).rounded())
    while starts.count > 1, starts[starts.count - 1] > corner - 2 { starts.removeLast() }
    self.starts = starts
    ringOfStep = (0..<count).map { step in starts.lastIndex { $0 <= step }! }
  }

  var count: Int { starts.count }

  /// The step in the middle of a ring.
  func middle(_ ring: Int) -> Double {
    let end = ring + 1 < count ? starts[ring + 1] : ringOfStep.count
    return Double(starts[ring] + end - 1) / 2
  }

  /// The ring of each point of the half grid, row-major.
  func ringsOfGrid(size: Int) -> [Int] {
    let columns = size / 2 + 1
    return (0..<size * columns).map {
      let row = $0 / columns
      let y = row <= (size - 1) / 2 ? row : row - size
      return ringOfStep[Int(hypot(Double(y), Double($0 % columns)).rounded())]
    }
  }
}

/// A window on the noise outside the particle, soft at the particle's radius and at the box's edges, and how it spreads
/// each ring's power over the others.
struct NoiseWindow: Sendable {
  let size: Int
  /// size x size, row-major.
  let weights: [Float]
  let rings: NoiseRings
  /// Points of the Fourier grid on each ring.
  let points: [Double]
  /// Independent values that a point of the grid gives, of the one that it has without a window.
  let share: Double
  /// The inverse Fourier transform of the window's power, size x size, row-major, 1 in the middle of the sum of squares:
  /// what spectra are blurred by, as a product.
  let autocorrelation: [Float]
  /// Mean windowed power on ring i of noise of unit power on ring j, what is fitted to backgrounds taken off:
  /// leakage[i][j], M of method E.16.
  let leakage: [[Double]]

  /// Power that fits of unit noise outside the radius add to the middle of images, at each grid step.
  let added: [Double]

  /// - Parameters:
  ///   - radius: pixels; what lies within is left out.
  ///   - functions: of a background that are fitted outside, at `fitRadius`, and taken off: 0, 1 (a constant) or 3 (a
  ///     plane).
  init(size: Int, radius: Double, fitRadius: Double, functions: Int) {
    self.size = size
    rings = NoiseRings(size: size)
    var points = [Double](repeating: 0, count: rings.count)
    for (i, ring) in rings.ringsOfGrid(size: size).enumerated() {
      points[ring] += Self.twice(i, size / 2 + 1, size)
    }
    self.points = points
    let soft = max(1, Double(size) / 32)
    let half = size / 2
    let edge = Double(size - 1 - half)
    weights = (0..<size * size).map { pixel -> Float in
      let (y, x) = (Double(pixel / size - half), Double(pixel % size - half))
      let outside = Self.ramp((hypot(x, y) - radius) / soft)
      // Distance to the nearer edge of the box, of which pixel 0 is half a pixel away.
      let near = min(min(x + Double(half), edge - x), min(y + Double(half), edge - y)) + 0.5
      return Float(outside * Self.ramp(near / soft))
    }
    let squares = weights.reduce(0.0) { $0 + Double($1) * Double($1) }
    let fourths = weights.reduce(0.0) { $0 + pow(Double($1), 4) }
    share = fourths > 0 ? squares * squares / fourths / Double(size * size) : 0
    let autocorrelation = Self.autocorrelation(of: weights, size: size)
    let planes = Array(Self.planes(size: size, radius: fitRadius).prefix(functions))
    self.autocorrelation = autocorrelation.map { $0 / Float(max(squares, 1e-30)) }
    leakage = Self.leakage(
      size: size, weights: weights, autocorrelation, squares: squares, rings, points: points,
      planes: planes)
    added = Self.added(planes.map(\.everywhere), size: size)
  }

  /// From 0 to 1, smoothly.
  private static func ramp(_ x: Double) -> Double {
    let t = min(1, max(0, x))
    return t * t * (3 - 2 * t)
  }

  private static func autocorrelation(of weights: [Float], size: Int) -> [Float] {
    let fft = PlanarFFT(size: size)
    for (i, weight) in weights.enumerated() { fft.image[i] = weight }
    fft.forward()
    for i in 0..<size * fft.columns {
      let value = fft.spectrum[i]
      fft.spectrum[i] = [value.x * value.x + value.y * value.y, 0]
    }
    fft.inverse()
    return (0..<size * size).map { fft.image[$0] / Float(size * size) }
  }

  /// Exact for noise that goes on beyond the box's edges periodically: E |FFT(w (y - fit to y))|^2, with the constant or
  /// plane, if any, by least squares outside the radius.
  private static func leakage(
    size: Int, weights: [Float], _ autocorrelation: [Float], squares: Double, _ rings: NoiseRings,
    points: [Double], planes: [(everywhere: [Float], background: [Float])]
  ) -> [[Double]] {
    let (fft, area) = (PlanarFFT(size: size), size * size)
    let grid = rings.ringsOfGrid(size: size)
    let columns = fft.columns
    func spectrum(_ image: [Float]) -> [SIMD2<Float>] {
      for i in 0..<area { fft.image[i] = image[i] }
      fft.forward()
      return (0..<grid.count).map { fft.spectrum[$0] }
    }
    /// The inverse transform of what is nonzero on one ring.
    func filtered(_ values: (Int) -> SIMD2<Float>, ring: Int) -> [Float] {
      for i in 0..<grid.count { fft.spectrum[i] = grid[i] == ring ? values(i) : .zero }
      fft.inverse()
      return (0..<area).map { fft.image[$0] / Float(area) }
    }
    func product(_ a: SIMD2<Float>, _ b: SIMD2<Float>) -> Double {
      Double(a.x) * Double(b.x) + Double(a.y) * Double(b.y)
    }
    let inside = planes.map { plane in
      spectrum(plane.everywhere.indices.map { weights[$0] * plane.everywhere[$0] })
    }
    let fitted = planes.map { spectrum($0.background) }
    var result = [[Double]](
      repeating: .init(repeating: 0, count: rings.count), count: rings.count)
    for source in 0..<rings.count {
      let covariance = filtered({ _ in [1, 0] }, ring: source)
      let main = spectrum((0..<area).map { covariance[$0] * autocorrelation[$0] })
      // The noise's covariance with each plane's inner product, seen through the window; and of the products.
      let smooth = fitted.map { plane in filtered({ plane[$0] }, ring: source) }
      let crossed = smooth.map { values in spectrum((0..<area).map { weights[$0] * values[$0] }) }
      let gram = planes.map { plane in
        smooth.map { values in
          (0..<area).reduce(0.0) { $0 + Double(plane.background[$1]) * Double(values[$1]) }
        }
      }
      for (i, ring) in grid.enumerated() {
        var value = Double(main[i].x)
        for j in planes.indices {
          value -= 2 * product(inside[j][i], crossed[j][i])
          for l in planes.indices { value += gram[j][l] * product(inside[j][i], inside[l][i]) }
        }
        result[ring][source] += twice(i, columns, size) * value / squares
      }
    }
    for ring in 0..<rings.count {
      for source in 0..<rings.count {
        result[ring][source] = max(0, result[ring][source] / max(1, points[ring]))
      }
    }
    return result
  }

  /// The mean power at each grid step of functions whose coefficients have unit variance.
  private static func added(_ functions: [[Float]], size: Int) -> [Double] {
    let fft = PlanarFFT(size: size)
    let count = NoiseSpectrum.count(size: size)
    var (sums, points) = (
      [Double](repeating: 0, count: count), [Double](repeating: 0, count: count)
    )
    for (at, function) in functions.enumerated() {
      for (i, value) in function.enumerated() { fft.image[i] = value }
      fft.forward()
      for i in 0..<size * fft.columns {
        let row = i / fft.columns
        let y = row <= (size - 1) / 2 ? row : row - size
        let step = Int(hypot(Double(y), Double(i % fft.columns)).rounded())
        let (value, twice) = (fft.spectrum[i], twice(i, fft.columns, size))
        sums[step] +=
          twice * Double(value.x * value.x + value.y * value.y) / Double(size * size)
        if at == 0 { points[step] += twice }
      }
    }
    return zip(sums, points).map { $1 > 0 ? $0 / $1 : 0 }
  }

  /// Points of the half grid that have a mirror image count twice.
  static func twice(_ index: Int, _ columns: Int, _ size: Int) -> Double {
    let column = index % columns
    return column == 0 || 2 * column == size ? 1 : 2
  }

  /// An orthonormal basis of planes on the background: a fit is the sum of inner products with them.
  private static func planes(size: Int, radius: Double) -> [(
    everywhere: [Float], background: [Float]
  )] {
    let background = BackgroundFit.background(size: size, radius: radius)
    let half = size / 2
    let functions: [(Int) -> Double] = [
      { _ in 1 }, { Double($0 % size - half) }, { Double($0 / size - half) },
    ]
    var result: [(everywhere: [Double], background: [Double])] = []
    for function in functions {
      var values = (0..<size * size).map(function)
      for other in result {
        let part = background.reduce(0) { $0 + values[$1] * other.everywhere[$1] }
        for i in values.indices { values[i] -= part * other.everywhere[i] }
      }
      let norm = background.reduce(0) { $0 + values[$1] * values[$1] }.squareRoot()
      if norm == 0 { continue }
      for i in values.indices { values[i] /= norm }
      var outside = [Double](repeating: 0, count: size * size)
      for i in background { outside[i] = values[i] }
      result.append((values, outside))
    }
    return result.map { ($0.map { Float($0) }, $1.map { Float($0) }) }
  }

  /// The power on each ring that explains a mean windowed power: expectation maximisation for powers that are not
  /// negative (Richardson 1972, Lucy 1974).
  func power(explaining windowed: [Double]) -> [Double] {
    let mean = windowed.reduce(0, +) / Double(windowed.count)
    guard mean > 0 else { return windowed }
    var power = windowed.map { max($0, 1e-9 * mean) }
    let columns = rings.starts.indices.map { j in leakage.reduce(0) { $0 + $1[j] } }
    for _ in 0..<200 {
      let expected = leakage.map { row in zip(row, power).reduce(0) { $0 + $1.0 * $1.1 } }
      for j in power.indices where columns[j] > 0 {
        var sum = 0.0
        for i in expected.indices where expected[i] > 0 {
          sum += leakage[i][j] * windowed[i] / expected[i]
        }
        power[j] *= sum / columns[j]
      }
    }
    return power
  }
}
