import LinearAlgebra
import MPI

/// A volume like the particle of a run: its projections have the covariance of the run's clean images and, as far as
/// class averages tell, look like them (`VolumeMatching`).
///
/// The covariance is the debiased one, so that a model fitted to the volume's projections errs as the run's does.
struct VolumeEstimate {
  let volume: SimulatedVolume
  let radial: RadialCoordinates
  /// Of the projections' Fourier-Bessel coefficients over all orientations, block by block.
  let covariance: [Matrix]

  /// Collective.
  /// - Parameters:
  ///   - classAverages: of some of the run's images, Fourier-Bessel coefficients less the mean image,
  ///     component-major, (re, im), the same on all ranks; with none the volume is a random one.
  ///   - observer: of a stage of `MatchingSize.rounds` items.
  /// - Throws: `LAPACKError`, `MPIError`.
  init(
    like estimate: MeanAndCovariance, basis: FourierBesselBasis, classAverages: [Float],
    seed: UInt64, threads: Int, on comm: Communicator, observer: any StageObserver
  ) throws {
    radial = try RadialCoordinates(of: estimate.debiased, basis: basis)
    let correlation = try ShellCorrelation(of: radial.covariances)
    covariance = radial.expand(correlation.covariances)
    volume = try VolumeMatching(
      correlation: correlation, radial: radial, seed: seed, threads: threads, comm: comm,
      observer: observer
    ).volume(like: classAverages)
  }
}
