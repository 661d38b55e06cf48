import Execution
import ImageModel
import LinearAlgebra
import MPI

/// A volume like the particle of a run: what explains its class averages best (`VolumeMatching`).
package struct VolumeEstimate {
  /// Of the class averages; nil where they tell nothing.
  package let volume: SimulatedVolume?
  package let radial: RadialCoordinates
  /// The same brought to the covariance of the run's clean images, for projections of which a model fitted to them
  /// errs as the run's does: the debiased covariance.
  package let simulated: SimulatedVolume
  /// Of the Fourier-Bessel coefficients of `simulated`'s projections over all orientations, block by block.
  package let covariance: [Matrix]

  /// Matches a volume to class averages. Collective.
  /// - Parameters:
  ///   - known: the volume of this degree and with so many radial coordinates that was found before, in place of a
  ///     new one.
  ///   - classAverages: of some of the run's images, Fourier-Bessel coefficients less the mean image,
  ///     component-major, (re, im), the same on all ranks.
  ///   - observer: of a stage of `MatchingSize.rounds` items.
  /// - Throws: `LAPACKError`, `MPIError`.
  package init(
    like estimate: MeanAndCovariance, basis: FourierBesselBasis,
    known: (_ degree: Int, _ rank: Int) throws -> SimulatedVolume? = { _, _ in nil },
    seed: UInt64, threads: Int, on comm: Communicator, observer: any StageObserver,
    classAverages: () throws -> [Float]
  ) throws {
    radial = try RadialCoordinates(of: estimate.debiased, basis: basis)
    let correlation = try ShellCorrelation(of: radial.covariances)
    covariance = radial.expand(correlation.covariances)
    let matching = VolumeMatching(
      correlation: correlation, radial: radial, seed: seed, threads: threads, comm: comm,
      observer: observer)
    volume =
      try known(matching.degree, radial.rank) ?? matching.volume(like: classAverages())
    simulated = try matching.withCovariance(volume)
  }
}
