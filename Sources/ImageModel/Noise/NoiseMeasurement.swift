import Foundation
import Fourier
import ParticleIO

/// Measures images' noise outside the particle; one instance a thread.
final class NoiseMeter {
  private let window: NoiseWindow
  private let fft: PlanarFFT
  private let rings: [Int]
  /// Of the box, in A.
  private let width: Double
  /// Of the last CTFs.
  private var cache: [CTFParameters: (blurred: [Double], square: [Double])] = [:]

  init(_ window: NoiseWindow, pixelSize: Double) {
    self.window = window
    width = pixelSize * Double(window.size)
    fft = PlanarFFT(size: window.size)
    rings = window.rings.ringsOfGrid(size: window.size)
  }

  /// The mean windowed power of a prepared image on each ring.
  func power(of image: UnsafePointer<Float>) -> [Double] {
    let size = window.size
    var squares = 0.0
    for i in 0..<size * size {
      let weight = window.weights[i]
      fft.image[i] = weight * image[i]
      squares += Double(weight * weight)
    }
    fft.forward()
    let area = max(1e-30, squares)
    return means { i in
      let value = fft.spectrum[i]
      return Double(value.x * value.x + value.y * value.y) / area
    }
  }

  /// The mean squared CTF on each ring as the window blurs it, and as it is.
  func squares(of ctf: CTFParameters) -> (blurred: [Double], square: [Double]) {
    if let known = cache[ctf] { return known }
    if cache.count >= 64 { cache.removeAll(keepingCapacity: true) }
    let (function, size) = (ContrastTransferFunction(ctf), window.size)
    for row in 0..<size {
      let ky = Double(row <= (size - 1) / 2 ? row : row - size) / width
      for column in 0..<fft.columns {
        let value = function.value(kx: Double(column) / width, ky: ky)
        fft.spectrum[row * fft.columns + column] = [Float(value * value), 0]
      }
    }
    let square = means { Double(fft.spectrum[$0].x) }
    fft.inverse()
    let scale = 1 / Float(size * size)
    for i in 0..<size * size { fft.image[i] *= scale * window.autocorrelation[i] }
    fft.forward()
    let result = (means { Double(fft.spectrum[$0].x) }, square)
    cache[ctf] = result
    return result
  }

  /// The mean on each ring of a value at each point of the half grid.
  private func means(_ value: (Int) -> Double) -> [Double] {
    var result = [Double](repeating: 0, count: window.points.count)
    for (i, ring) in rings.enumerated() {
      result[ring] += NoiseWindow.twice(i, fft.columns, window.size) * value(i)
    }
    return zip(result, window.points).map { $0 / max(1, $1) }
  }
}

/// What the windowed power of images' backgrounds is, and how it goes with their CTFs, ring by ring.
struct NoiseMoments {
  /// The mean windowed power.
  var power: [Double]
  /// The mean squared CTF, as the window blurs it.
  var square: [Double]
  /// The mean of their product, and of the square's square.
  var product: [Double]
  var fourth: [Double]
  /// The mean squared CTF itself.
  var meanSquare: [Double]
  let images: Int

  /// Rows of an image: its power, the squared CTF blurred, their product, the square's square, and the squared CTF.
  static func row(_ power: [Double], _ blurred: [Double], _ square: [Double]) -> [Double] {
    power + blurred + zip(power, blurred).map { $0 * $1 } + blurred.map { $0 * $0 } + square
  }

  /// - Parameter sums: of rows.
  init(sums: [Double], rings: Int, images: Int) {
    func part(_ at: Int) -> [Double] {
      sums[at * rings..<(at + 1) * rings].map { $0 / Double(images) }
    }
    (power, square, product, fourth, meanSquare) = (part(0), part(1), part(2), part(3), part(4))
    self.images = images
  }

  /// The share of each ring's power that goes with the squared CTF, by least squares, and how uncertain it is.
  func passedShare(_ ring: Int, variance: Double) -> (share: Double, error: Double) {
    let spread = fourth[ring] - square[ring] * square[ring]
    guard spread > 1e-3 * fourth[ring], power[ring] > 0 else { return (0, .infinity) }
    let slope = (product[ring] - power[ring] * square[ring]) / spread
    // The relative variance of one image's power, over the spread of the squares.
    let error = (variance / spread).squareRoot() * square[ring]
    return (slope * square[ring] / power[ring], error)
  }
}

extension NoiseSpectrum {
  /// The spectrum that explains images' windowed power (method E.16).
  ///
  /// White where it differs from white noise by no more than chance and a few percent, which the particle's own
  /// fringes outside its radius make; and nothing has passed the CTF where that is no more.
  init(explaining moments: NoiseMoments, window: NoiseWindow) {
    let rings = window.rings
    var power = window.power(explaining: moments.power)
    // Where the plane has taken all, the next ring tells.
    let kept = rings.starts.indices.map { j in window.leakage.reduce(0) { $0 + $1[j] } }
    for ring in power.indices.reversed().dropFirst() where kept[ring] < 0.2 * kept[power.count - 1]
    {
      power[ring] = power[ring + 1]
    }
    // Relative variance of each ring's mean power.
    let variances = window.points.map {
      2 / max(1, $0 * window.share * Double(max(1, moments.images)))
    }
    // The lowest rings say least, and hold what planes do not explain of the background.
    let told = power.indices.filter { rings.starts[$0] >= 2 }
    let weights = told.map { 1 / variances[$0] }
    let total = weights.reduce(0, +)
    let mean = zip(told, weights).reduce(0) { $0 + $1.1 * power[$1.0] } / total
    let shares = power.indices.map { moments.passedShare($0, variance: variances[$0]) }
    let known = told.filter { shares[$0].error.isFinite }
    let precision = known.reduce(0) { $0 + pow(shares[$1].error, -2) }
    let passed =
      known.reduce(0) { $0 + shares[$1].share * pow(shares[$1].error, -2) } / max(precision, 1e-30)
    let hasPassed = passed > max(Self.tolerance, 5 / max(precision, 1e-30).squareRoot())
    let isWhite = told.allSatisfy {
      abs(power[$0] / mean - 1) <= max(Self.tolerance, 5 * variances[$0].squareRoot())
    }
    if isWhite && !hasPassed {
      // Where nothing is fitted to backgrounds, nothing is added.
      self.init(power: window.added.map { mean * (1 + $0) })
      return
    }
    // Images that were filtered have next to no noise at some frequencies, and nothing else there.
    for ring in power.indices { power[ring] = max(power[ring], Self.least * mean) }
    // Neighbours help where chance is more than a percent.
    let rough = power
    for ring in power.indices.dropFirst().dropLast() {
      let part = min(0.25, variances[ring] / (variances[ring] + 1e-4) / 2)
      power[ring] = (1 - 2 * part) * rough[ring] + part * (rough[ring - 1] + rough[ring + 1])
    }
    let steps = (0..<NoiseSpectrum.count(size: window.size)).map { Double($0) }
    let all = steps.indices.map { step in
      let own = Self.between(power, rings, steps[step])
      return own + window.added[step] * power[0]
    }
    let square = steps.map { Self.between(moments.meanSquare, rings, $0) }
    guard hasPassed else {
      self.init(power: all, meanSquare: square)
      return
    }
    // A ring that says little is taken for what the rings say together.
    let share = power.indices.map { ring -> Double in
      let (own, error) = shares[ring]
      let trust = error.isFinite ? 0.04 / (0.04 + error * error) : 0
      return min(0.95, max(0, trust * own + (1 - trust) * passed))
    }
    let part = steps.map { Self.between(share, rings, $0) }
    self.init(
      power: all.indices.map { (1 - part[$0]) * all[$0] },
      passed: all.indices.map { part[$0] * all[$0] / max(square[$0], 1e-3) }, meanSquare: square)
  }

  /// No power is taken for less than this part of the mean one.
  private static var least: Double { 1e-4 }

  /// Differences from white noise that do not matter.
  private static var tolerance: Double { 0.05 }

  /// At a grid step, from the rings around it.
  private static func between(_ values: [Double], _ rings: NoiseRings, _ step: Double) -> Double {
    guard let next = values.indices.first(where: { rings.middle($0) >= step }) else {
      return values[values.count - 1]
    }
    if next == 0 { return values[0] }
    let (low, high) = (rings.middle(next - 1), rings.middle(next))
    let part = (step - low) / (high - low)
    return (1 - part) * values[next - 1] + part * values[next]
  }
}
