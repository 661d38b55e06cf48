import CFFTW
import Fourier

/// Fourier transforms over the angle of the rings of a polar image, in single precision.
///
/// One thread uses an object at a time. Plans are estimated, not measured: the same plan and so the
/// same bits on every rank.
final class RingTransform {
  package let angles: Int
  package let rings: Int
  /// Complex values of a half spectrum: frequencies 0 to angles / 2.
  package var frequencies: Int { angles / 2 + 1 }
  /// `rings` rows of `angles` samples; input of `forward`.
  package let samples: UnsafeMutablePointer<Float>
  /// `rings` rows of `frequencies` complex values; output of `forward`, and its first row is the input
  /// of `backward`.
  package let spectra: UnsafeMutablePointer<fftwf_complex>
  private let forwardPlan: fftwf_plan
  private let backwardPlan: fftwf_plan

  init(rings: Int, angles: Int) {
    self.rings = rings
    self.angles = angles
    let frequencies = angles / 2 + 1
    samples = fftwf_alloc_real(rings * angles)
    spectra = fftwf_alloc_complex(rings * frequencies)
    var length = Int32(angles)
    let (samples, spectra) = (samples, spectra)
    (forwardPlan, backwardPlan) = FFTWPlanner.exclusively {
      (
        fftwf_plan_many_dft_r2c(
          1, &length, Int32(rings), samples, nil, 1, Int32(angles), spectra, nil, 1,
          Int32(frequencies), FFTW_ESTIMATE),
        fftwf_plan_dft_c2r_1d(length, spectra, samples, FFTW_ESTIMATE)
      )
    }
  }

  deinit {
    FFTWPlanner.exclusively {
      fftwf_destroy_plan(forwardPlan)
      fftwf_destroy_plan(backwardPlan)
    }
    fftwf_free(samples)
    fftwf_free(spectra)
  }

  /// `spectra` = unnormalised transform, exp(-i k t), of each row of `samples`.
  package func forward() { fftwf_execute(forwardPlan) }

  /// First row of `samples` = unnormalised inverse of the first row of `spectra`, which is lost.
  func backward() { fftwf_execute(backwardPlan) }
}
