import Foundation

/// The Kaiser-Bessel window by which a spectrum known on a grid is interpolated between the grid's
/// points (Jackson, Meyer, Nishimura, Macovski, "Selection of a convolution function for Fourier
/// inversion using gridding", 1991):
///
///     phi(t) = I0(beta sqrt(1 - (2 t / W)^2)) / I0(beta),  |t| <= W/2,  W = 6 grid points.
///
/// The window's own Fourier transform is divided out of the map beforehand. beta is the choice of
/// Beatty, Nishimura and Pauly 2005 for a map padded to twice its size, where the error is
/// some 1e-5 of the signal.
struct GriddingKernel {
  /// Grid points that one value takes in along each axis.
  static let width = 6
  /// Grid points below the floor of the position that are taken in.
  static let reach = width / 2 - 1

  private static let intervals = 2048
  private let beta: Double
  private let normalisation: Double
  private let table: [SIMD8<Double>]

  /// A kernel for a grid `oversampling` times finer than the map's support needs.
  init(oversampling: Double) {
    let w = Double(GriddingKernel.width)
    let ratio = w / oversampling * (oversampling - 0.5)
    let beta = Double.pi * (ratio * ratio - 0.8).squareRoot()
    let normalisation = 1 / besselI0(beta)
    table = (0...GriddingKernel.intervals).map { index in
      let fraction = Double(index) / Double(GriddingKernel.intervals)
      var row = SIMD8<Double>.zero
      for tap in 0..<GriddingKernel.width {
        let t = fraction + Double(GriddingKernel.reach - tap)
        let argument = 1 - (2 * t / w) * (2 * t / w)
        row[tap] = argument < 0 ? 0 : besselI0(beta * argument.squareRoot()) * normalisation
      }
      return row
    }
    self.beta = beta
    self.normalisation = normalisation
  }

  /// The window at the distances of the six grid points floor - 2 ... floor + 3 from a position
  /// with this fractional part in [0, 1]; the last two lanes are zero.
  @inline(__always)
  func weights(_ fraction: Double) -> SIMD8<Double> {
    // Linear between entries: an error of 2e-8, far below the window's own.
    let position = fraction * Double(GriddingKernel.intervals)
    let index = min(Int(position), GriddingKernel.intervals - 1)
    return table.withUnsafeBufferPointer { rows in
      rows[index] + (rows[index + 1] - rows[index]) * (position - Double(index))
    }
  }

  /// The Fourier transform of the window at x / size cycles per grid point, by which voxel x (from
  /// the centre) of a map padded to `size` is divided. Valid for |x| <= size/4.
  func transform(x: Double, size: Double) -> Double {
    let w = Double(GriddingKernel.width)
    let cycles = Double.pi * w * x / size
    let root = (beta * beta - cycles * cycles).squareRoot()
    return w * normalisation * sinh(root) / root
  }
}

/// The modified Bessel function of the first kind and order 0, by its power series, which has
/// positive terms only.
func besselI0(_ x: Double) -> Double {
  let quarter = x * x / 4
  var term = 1.0
  var sum = 1.0
  var index = 1.0
  while term > sum * 1e-17 {
    term *= quarter / (index * index)
    sum += term
    index += 1
  }
  return sum
}
