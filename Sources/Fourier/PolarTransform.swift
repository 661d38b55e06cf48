import Foundation

/// The Fourier transform of real images on polar grids, Y(xi) = sum over pixels x of
/// y(x) exp(-2 pi i xi . (x - centre)), xi in cycles per pixel, by a non-uniform FFT: oversampled FFT and
/// Kaiser-Bessel interpolation (Fessler & Sutton 2003), relative error about 1e-6.
///
/// The centre is pixel size / 2 (integer division) in both directions. Angles run over half the circle,
/// theta_j = -pi/2 + (j + 1/2) pi / halfAngles, the direction (cos theta, sin theta) being (column, row);
/// the other half is the complex conjugate. Sixteen images are transformed side by side.
public final class PolarTransform {
  /// Pixels along an image's edge.
  public let size: Int
  /// Radii of the rings, cycles per pixel, at most 1/2.
  public let radii: [Double]
  /// The number of angles on half the circle.
  public let halfAngles: Int
  /// The value of image l at ring p and angle j: `samples[(p * halfAngles + j) * 2 + part][l]`, part 0
  /// real, 1 imaginary.
  public let samples: UnsafeMutablePointer<SIMD16<Float>>

  /// Taps of the interpolation along one axis.
  private static var taps: Int { 8 }
  private let grid: PlanarFFT
  /// 1 / (Fourier transform of the window) along one axis of the image.
  private let deapodization: [Float]
  /// Part of the oversampled spectrum that the interpolation reads, 16 images side by side:
  /// rows -reach...reach, columns -taps/2...reach.
  private let spectra: FFTBuffer<SIMD16<Float>>
  private let sampleBuffer: FFTBuffer<SIMD16<Float>>
  private let reach: Int
  private let spectraColumns: Int
  /// First tap of each sample in `spectra`, and its weights: `taps` across, then `taps` down.
  private let firstTap: [Int32]
  private let tapWeights: [Float]

  /// Prepares the interpolation for these rings, and `halfAngles` angles on half the circle.
  public init(size: Int, radii: [Double], halfAngles: Int) {
    precondition(radii.allSatisfy { $0 >= 0 && $0 <= 0.5 })
    let taps = Self.taps
    self.size = size
    self.radii = radii
    self.halfAngles = halfAngles
    let oversampled = fastTransformLength(atLeast: 2 * size)
    grid = PlanarFFT(size: oversampled)
    let window = KaiserBessel(
      width: Double(taps), oversampling: Double(oversampled) / Double(size))
    deapodization = (0..<size).map {
      Float(1 / window.transform(at: Double($0 - size / 2) / Double(oversampled)))
    }
    let reach = Int(((radii.max() ?? 0) * Double(oversampled)).rounded(.up)) + taps / 2
    let columns = reach + taps / 2 + 1
    self.reach = reach
    spectraColumns = columns
    spectra = FFTBuffer(count: (2 * reach + 1) * columns * 2)
    sampleBuffer = FFTBuffer(count: radii.count * halfAngles * 2)
    samples = sampleBuffer.pointer

    var firstTap: [Int32] = []
    var tapWeights: [Float] = []
    for radius in radii {
      for j in 0..<halfAngles {
        let theta = Self.angle(j, of: halfAngles)
        let x = radius * Double(oversampled) * cos(theta)
        let y = radius * Double(oversampled) * sin(theta)
        let firstX = Int((x - Double(taps) / 2).rounded(.down)) + 1
        let firstY = Int((y - Double(taps) / 2).rounded(.down)) + 1
        firstTap.append(Int32((firstY + reach) * columns + firstX + taps / 2))
        for t in 0..<taps { tapWeights.append(Float(window.value(at: x - Double(firstX + t)))) }
        for t in 0..<taps { tapWeights.append(Float(window.value(at: y - Double(firstY + t)))) }
      }
    }
    self.firstTap = firstTap
    self.tapWeights = tapWeights
  }

  /// Angle number `j` of `halfAngles`, radians in -pi/2..<pi/2.
  public static func angle(_ j: Int, of halfAngles: Int) -> Double {
    -.pi / 2 + (Double(j) + 0.5) * .pi / Double(halfAngles)
  }

  /// Puts an image (size x size, row-major) into lane `lane` of the next `transformLanes`.
  public func load(_ image: UnsafePointer<Float>, lane: Int) {
    let m = grid.size
    memset(grid.image, 0, m * m * MemoryLayout<Float>.stride)
    // The centre goes to the grid's origin, so that the transform needs no phase.
    for row in 0..<size {
      let target = grid.image + ((row - size / 2 + m) % m) * m
      let factor = deapodization[row]
      for column in 0..<size {
        target[(column - size / 2 + m) % m] =
          image[row * size + column] * factor
          * deapodization[column]
      }
    }
    grid.forward()
    let lanes = UnsafeMutableRawPointer(spectra.pointer).assumingMemoryBound(to: Float.self)
    let half = Self.taps / 2
    for row in -reach...reach {
      let wrapped = ((row % m) + m) % m
      let source = grid.spectrum + wrapped * grid.columns
      let mirrored = grid.spectrum + (m - wrapped) % m * grid.columns
      let target = lanes + ((row + reach) * spectraColumns + half) * 32 + lane
      for column in -half...reach {
        let stored = column >= 0 && column <= m / 2
        // Y(-xi) is the conjugate of Y(xi): only half of the columns is stored.
        let value = stored ? source[column] : mirrored[column < 0 ? -column : m - column]
        target[column * 32] = value.x
        target[column * 32 + 16] = stored ? value.y : -value.y
      }
    }
  }

  /// Clears lane `lane`, for a group of fewer than 16 images.
  public func clear(lane: Int) {
    for i in 0..<spectra.count { spectra.pointer[i][lane] = 0 }
  }

  /// Interpolates all 16 lanes onto the polar grid: fills `samples`.
  public func transformLanes() {
    let taps = Self.taps
    let columns = spectraColumns
    let source = spectra.pointer
    let samples = samples
    firstTap.withUnsafeBufferPointer { firstTap in
      tapWeights.withUnsafeBufferPointer { tapWeights in
        for point in 0..<firstTap.count {
          let weights = tapWeights.baseAddress! + point * 2 * taps
          var line = source + Int(firstTap[point]) * 2
          var real = SIMD16<Float>(repeating: 0)
          var imaginary = SIMD16<Float>(repeating: 0)
          for down in 0..<taps {
            var rowReal = SIMD16<Float>(repeating: 0)
            var rowImaginary = SIMD16<Float>(repeating: 0)
            for across in 0..<taps {
              let weight = SIMD16<Float>(repeating: weights[across])
              rowReal.addProduct(weight, line[2 * across])
              rowImaginary.addProduct(weight, line[2 * across + 1])
            }
            let weight = SIMD16<Float>(repeating: weights[taps + down])
            real.addProduct(weight, rowReal)
            imaginary.addProduct(weight, rowImaginary)
            line += 2 * columns
          }
          samples[2 * point] = real
          samples[2 * point + 1] = imaginary
        }
      }
    }
  }
}

/// The Kaiser-Bessel window on -width/2...width/2 grid steps, with the shape parameter of Beatty,
/// Nishimura, Pauly (2005) for the given oversampling.
struct KaiserBessel {
  let width: Double
  private let beta: Double

  init(width: Double, oversampling: Double) {
    self.width = width
    let ratio = width / oversampling * (oversampling - 0.5)
    beta = .pi * (ratio * ratio - 0.8).squareRoot()
  }

  /// The window at `u` grid steps from its centre, zero outside.
  func value(at u: Double) -> Double {
    let s = 1 - 4 * u * u / (width * width)
    return s < 0 ? 0 : besselI0(beta * s.squareRoot()) / besselI0(beta)
  }

  /// Its Fourier transform, integral of value(u) exp(-2 pi i u t) du.
  func transform(at t: Double) -> Double {
    let square = beta * beta - (.pi * width * t) * (.pi * width * t)
    let root = abs(square).squareRoot()
    let ratio = root < 1e-8 ? 1 : (square > 0 ? sinh(root) : sin(root)) / root
    return width * ratio / besselI0(beta)
  }

  /// I_0 by its power series, which converges quickly for the arguments met here.
  private func besselI0(_ x: Double) -> Double {
    var term = 1.0
    var sum = 1.0
    var k = 1.0
    while term > 1e-17 * sum {
      term *= (x / (2 * k)) * (x / (2 * k))
      sum += term
      k += 1
    }
    return sum
  }
}
