import CFFTW
import Fourier

/// Cuts central slices of a map's spectrum and turns them into images; one per rank.
///
/// Frequencies at and above Nyquist (1/2 cycle per pixel) are zero, also in the corners: a slice
/// reaches beyond the map's cube of frequencies there.
final class SliceProjector {
  /// A frequency of the half plane kx >= 0 below Nyquist.
  private struct Frequency {
    /// The element of the half-complex image.
    let element: Int
    /// In cycles per box.
    let kx: Double
    let ky: Double
    /// kx^2 + ky^2.
    let ring: Int
    /// 2 where -k stands for a frequency that is not in the half plane.
    let multiplicity: Double
  }

  let boxSize: Int
  private let frequencies: [Frequency]
  private var slice: [SIMD2<Double>]
  private let spectrum: UnsafeMutablePointer<fftw_complex>
  private let image: UnsafeMutablePointer<Double>
  private let plan: fftw_plan

  init(boxSize: Int) {
    self.boxSize = boxSize
    let half = boxSize / 2 + 1
    var frequencies: [Frequency] = []
    for row in 0..<boxSize {
      let ky = row < half ? row : row - boxSize
      for kx in 0..<half where 4 * (kx * kx + ky * ky) < boxSize * boxSize {
        frequencies.append(
          Frequency(
            element: row * half + kx, kx: Double(kx), ky: Double(ky), ring: kx * kx + ky * ky,
            multiplicity: kx == 0 ? 1 : 2))
      }
    }
    self.frequencies = frequencies
    slice = Array(repeating: .zero, count: frequencies.count)
    spectrum = fftw_alloc_complex(boxSize * half)!
    image = fftw_alloc_real(boxSize * boxSize)!
    // An estimated plan: a measured one could differ between ranks, and with it the last bits.
    plan = FFTWPlanner.exclusively { [spectrum, image] in
      fftw_plan_dft_c2r_2d(Int32(boxSize), Int32(boxSize), spectrum, image, FFTW_ESTIMATE)!
    }
  }

  deinit {
    FFTWPlanner.exclusively { fftw_destroy_plan(plan) }
    fftw_free(spectrum)
    fftw_free(image)
  }

  /// The number of values of kx^2 + ky^2 from 0 that are below Nyquist: the length of a filter.
  static func ringCount(boxSize: Int) -> Int { (boxSize * boxSize - 1) / 4 + 1 }

  /// Takes the slice of the spectrum that is perpendicular to the viewing direction.
  func cut(_ volume: borrowing VolumeSpectrum, _ orientation: Orientation) {
    // In steps of the padded grid.
    let step = Double(volume.grid.size) / Double(boxSize)
    let u = orientation.xAxis * step
    let v = orientation.yAxis * step
    slice.withUnsafeMutableBufferPointer { slice in
      volume.withInterpolation { value in
        for (index, frequency) in frequencies.enumerated() {
          slice[index] = value(u * frequency.kx + v * frequency.ky)
        }
      }
    }
  }

  /// The sum of the pixels, and of their squares, of the image of the current slice.
  ///
  /// - Parameter filter: what frequencies are multiplied with, by kx^2 + ky^2 in cycles per box.
  func moments(filter: [Double]) -> (sum: Double, squares: Double) {
    var squares = 0.0
    for (index, frequency) in frequencies.enumerated() {
      let value = slice[index] * filter[frequency.ring]
      squares += frequency.multiplicity * (value * value).sum()
    }
    // Parseval's theorem. The first frequency is 0.
    return (slice[0].x * filter[0], squares / Double(boxSize * boxSize))
  }

  /// Writes the image of the current slice, row-major, its centre at pixel `boxSize / 2`.
  ///
  /// - Parameters:
  ///   - filter: as in `moments`; none leaves the projection as it is.
  ///   - scale: the factor on every pixel.
  func synthesise(filter: [Double]?, scale: Double, into pixels: UnsafeMutablePointer<Double>) {
    let half = boxSize / 2 + 1
    let norm = scale / Double(boxSize * boxSize)
    // The inverse transform destroys its input.
    spectrum.update(repeating: fftw_complex(0, 0), count: boxSize * half)
    for (index, frequency) in frequencies.enumerated() {
      let value = slice[index] * (norm * (filter?[frequency.ring] ?? 1))
      spectrum[frequency.element] = fftw_complex(value.x, value.y)
    }
    fftw_execute(plan)
    // The transform has the centre at pixel 0; move it, by rows and by the two halves of a row.
    let centre = boxSize / 2
    for row in 0..<boxSize {
      let source = image + row * boxSize
      let target = pixels + (row + centre) % boxSize * boxSize
      (target + centre).update(from: source, count: boxSize - centre)
      target.update(from: source + boxSize - centre, count: centre)
    }
  }
}
