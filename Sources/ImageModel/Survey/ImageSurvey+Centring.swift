import MPI
import ParticleIO

/// How far the centring of a run's particles has come (method E.21).
public struct CentringState: Sendable, Equatable {
  /// How widely particles scatter around where the STAR file says that they are, along either axis, in pixels; 0 where
  /// they lie there as far as can be told.
  public package(set) var scatter = 0.0
  /// Searches for classes that particles were centred by.
  public package(set) var rounds = 0
  /// Whether more would move them no further.
  package var isComplete = false

  /// Before anything is known.
  package init() {}
}

extension ImageSurvey {
  /// The same of some of the particles that take part.
  func selecting(_ indices: [Int]) -> ImageSurvey {
    var result = self
    result.particles = particles.selecting(indices)
    result.originalIndex = indices.map { originalIndex[$0] }
    return result
  }

  /// The same where the particles lie elsewhere: a sample is looked at once more, for where the signal ends. Collective.
  /// - Parameters:
  ///   - displacements: of the particles that take part, from the centres of their boxes, pixels.
  ///   - scatter: of where they lie from where they were said to, along either axis.
  ///   - options: of the survey.
  ///   - comm: the ranks that take part.
  ///   - stop: asked between blocks of images.
  /// - Throws: as the survey's `init`.
  func displaced(
    by displacements: [SIMD2<Float>], scatter: Double, options: SurveyOptions,
    on comm: Communicator, stop: StopRequest?
  ) throws -> ImageSurvey {
    var result = self
    result.particles = particles.displaced(by: displacements)
    result.centring.scatter = scatter
    let sample = ImagePass.sample(of: displacements.count, atMost: Self.sampleSize)
    let pass = ImagePass(
      set: sample.count == displacements.count
        ? result.particles : result.particles.selecting(sample),
      originalIndex: sample.map { originalIndex[$0] }, threads: options.threads, comm: comm,
      stop: stop)
    let looks = SurveyLooks(
      pass, groups: NoiseGroups.ofOptics(result.particles), choice: options.noise)
    (result.statistics, result.findings.extent) = try looks.signal(preparation, noise: noise)
    result.bandLimit =
      options.bandLimit
      ?? SignalBand.limit(result.statistics.signalToNoise(), size: particles.boxSize)
    result.radius = options.radius ?? result.findings.extent.radius
    return result
  }
}
