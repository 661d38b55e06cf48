import Execution
import MPI
import ParticleIO

/// Finds where particles lie in their boxes (method E.21). A shift belongs to an image, not to a pair: all particles have
/// one centre. Each image is held, at every displacement, against what is known of all images, or of its class.
public struct Centring {
  private let set: ParticleSet
  private let options: ModelOptions
  private let comm: Communicator
  private let observer: any StageObserver
  private let stop: StopRequest?

  /// Rounds of centring by mean and covariance alone: more would follow what they make of noise.
  private static let rounds = 2
  /// Images of either half by which it is told how widely particles scatter.
  private static let sampleSize = 1000
  /// How much more likely those must be with particles off their centres than without, as a logarithm.
  private static let leastEvidence = 20.0
  /// Fewer images say too little of each other.
  package static let fewestImages = 200
  /// Images of either half that mean and covariance are made of.
  private static let modelSize = 10_000

  /// Images of both halves that models are made of, and by which it is told how widely particles scatter.
  package static let (mostModelled, mostSampled) = (2 * modelSize, 2 * sampleSize)

  /// - Parameters:
  ///   - set: the particles as they were read, before some were left out.
  ///   - options: how the images are modelled.
  ///   - comm: the ranks that take part.
  ///   - observer: told how far the stages are.
  ///   - stop: asked between blocks of images.
  public init(
    of set: ParticleSet, options: ModelOptions, on comm: Communicator,
    observer: any StageObserver, stop: StopRequest? = nil
  ) {
    (self.set, self.options, self.comm) = (set, options, comm)
    (self.observer, self.stop) = (observer, stop)
  }

  /// The largest displacement from where the particles are said to lie, pixels.
  private var limit: Double { options.largestShift ?? 0.1 * Double(set.boxSize) }

  /// The model of the images that `set` was read with, their particles centred as far as mean and covariance of all tell.
  /// Collective.
  /// - Throws: what `FittedModel.init` throws.
  public func model() throws -> FittedModel {
    try FittedModel.begin(options, on: comm)
    return try fitted(
      centred(
        ImageSurvey(
          of: set, options: options.survey, on: comm, observer: observer, stop: stop)))
  }

  /// The model of images that were surveyed. Collective.
  package func fitted(_ survey: ImageSurvey) throws -> FittedModel {
    try FittedModel(survey, options: options, on: comm, observer: observer, stop: stop)
  }

  /// The survey of the images with their particles centred as far as mean and covariance of all tell; the same where
  /// they are centred as far as can be told. Collective.
  ///
  /// Mean and covariance are those of every other image, by turns: an image that is among those that a model was made of
  /// always seems to lie where it was.
  package func centred(_ first: ImageSurvey) throws -> ImageSurvey {
    let count = first.particles.particles.count
    guard limit > 0, count >= Self.fewestImages else { return first }
    let halves = (0..<2).map { half in (0..<count).filter { $0 % 2 == half } }
    func some(of images: [Int], _ most: Int) -> [Int] {
      ImagePass.sample(of: images.count, atMost: most).map { images[$0] }
    }
    // Of so few images that a request to stop can wait.
    let quiet = Centring(of: set, options: options, on: comm, observer: SilentObserver())
    var survey = first
    for _ in 0..<Self.rounds {
      observer.stageBegan(StageName.centring, items: 0)
      let models = try halves.map {
        try quiet.fitted(survey.selecting(some(of: $0, Self.modelSize)))
      }
      let sides = zip(halves, models.reversed())
      let samples = try sides.map { images, model in
        try quiet.pass(survey, model, some(of: images, Self.sampleSize))
      }
      let prior = try scatter(samples.map { ($0, $0.population) })
      if prior.deviation == 0 {
        observer.stageEnded()
        break
      }
      var found = [SIMD2<Float>](repeating: .zero, count: count)
      for (images, model) in sides {
        let pass = try pass(survey, model, images)
        for (image, displacement) in zip(images, try displacements(pass, prior, pass.population)) {
          found[image] = displacement
        }
      }
      survey = try displaced(survey, by: found, scatter: prior.deviation)
      observer.stageEnded()
    }
    return survey
  }

  /// The same with particles displaced from where they were said to lie. Collective.
  /// - Parameter scatter: of such displacements, along either axis.
  package func displaced(_ survey: ImageSurvey, by displacements: [SIMD2<Float>], scatter: Double)
    throws -> ImageSurvey
  {
    try survey.displaced(
      by: zip(base(survey).particles, displacements).map { $0.displacement + $1 },
      scatter: scatter, options: options.survey, on: comm, stop: stop)
  }

  /// Where the particles lie, from where they were said to. On every rank.
  package func displacements(in survey: ImageSurvey) -> [SIMD2<Float>] {
    zip(survey.particles.particles, base(survey).particles).map {
      $0.displacement - $1.displacement
    }
  }

  /// The particles that take part, where they were said to lie.
  private func base(_ survey: ImageSurvey) -> ParticleSet {
    survey.particles.displaced(
      by: survey.originalIndex.map { set.particles[Int($0)].displacement })
  }

  /// A look at some images, all if nil.
  /// - Parameter model: what is known of their kind.
  package func pass(_ survey: ImageSurvey, _ model: FittedModel, _ images: [Int]? = nil) throws
    -> CentringPass
  {
    let base = base(survey)
    let all = survey.originalIndex
    return CentringPass(
      pass: ImagePass(
        set: images.map { base.selecting($0) } ?? base,
        originalIndex: images.map { $0.map { all[$0] } } ?? all, threads: options.threads,
        comm: comm, stop: stop),
      preparation: survey.preparation, noise: survey.noise, model: model,
      grid: ShiftGrid(limit: limit, bandLimit: model.basis.bandLimit))
  }

  /// How widely particles scatter about where they were said to lie: the deviation under which the images are most
  /// likely. Collective.
  /// - Parameter passes: looks at images, and what is known of each.
  package func scatter(
    _ passes: [(pass: CentringPass, known: CentringPass.KnownOfImage)]
  ) throws -> ShiftPrior {
    let priors = ShiftPrior.candidates(limit: limit, on: passes[0].pass.grid)
    let rows = try passes.flatMap { pass, known in
      try pass.map(known: known) { scores, _ in priors.map { $0.evidence(scores) } }
    }
    let sums = try RowSums.sums(of: rows, width: priors.count, on: comm).sums
    let best = sums.indices.max { sums[$0] < sums[$1] }!
    return sums[best] > sums[0] + Self.leastEvidence ? priors[best] : priors[0]
  }

  /// The same by a sample of all images, each looked at by the rank whose it is.
  package func scatter(
    _ survey: ImageSurvey, _ model: FittedModel, _ known: @escaping CentringPass.KnownOfImage
  ) throws -> ShiftPrior {
    let sample = ImagePass.sample(of: model.partition.total, atMost: 2 * Self.sampleSize)
    var look = try pass(survey, model, sample)
    let own = model.partition.range(of: comm.rank)
    let start = sample.count { $0 < own.lowerBound }
    look.pass.share = start..<start + sample.count { own.contains($0) }
    let ofSample: CentringPass.KnownOfImage = { try known(sample[$0]) }
    return try scatter([(look, ofSample)])
  }

  /// Where each particle of a look lies, from where it was said to, on every rank. Collective.
  package func displacements(
    _ pass: CentringPass, _ prior: ShiftPrior, _ known: CentringPass.KnownOfImage
  ) throws -> [SIMD2<Float>] {
    let own = try pass.map(known: known) { [grid = pass.grid] scores, _ in
      prior.mean(scores, on: grid)
    }
    let all = try comm.allgatherRagged(own.flatMap { [$0.x, $0.y] })
    return stride(from: 0, to: all.count, by: 2).map { SIMD2(all[$0], all[$0 + 1]) }
  }
}
