import Execution
import ImageModel
import Volumes

/// Where the probabilities of neighbours come from.
public enum ProbabilitySource: String, Sendable, CaseIterable {
  /// The same search among simulated images like the run's own, whose truth is known
  /// (`ProbabilityCalibration`).
  case simulation
  /// A formula fitted once (`ProbabilityFormula`); for all pairs only.
  case formula
  /// There are none.
  case none
}

extension AverageOptions {
  /// The source in force for a search, which is not `auto`.
  func probabilitySource(of search: SearchMethod) -> ProbabilitySource {
    guard affinity == .bayes, search == .allPairs || search == .landmarks else { return .none }
    // As much work again: where there are so many images, for those who ask.
    return probabilities ?? (search == .allPairs || isLengthAutomatic ? .simulation : .none)
  }

  /// - Throws: `OptionError` where the source does not go with the other options.
  func validateProbabilities() throws {
    let searches: [SearchMethod] = [.auto, .allPairs, .landmarks]
    if isLengthAutomatic && (affinity != .bayes || !searches.contains(search)) {
      throw OptionError.needsBayesFactor(.neighbours, found: "auto")
    }
    guard let probabilities else { return }
    if probabilities == .none {
      if isLengthAutomatic {
        throw OptionError.conflict(.neighbours, .probabilities)
      }
    } else if affinity != .bayes || !searches.contains(search) {
      throw OptionError.needsBayesFactor(.probabilities, found: probabilities.rawValue)
    }
    try validateProbabilities(of: search)
  }

  /// - Parameter search: the search asked for, or what `auto` has become.
  /// - Throws: `OptionError` where the formula is asked for and does not know the search.
  func validateProbabilities(of search: SearchMethod) throws {
    if probabilities == .formula && search == .landmarks {
      throw OptionError.conflict(.probabilities, .search)
    }
  }
}

extension AveragePipeline {
  /// The neighbours asked for, with their probabilities, in the order that they were found in. Collective.
  func withProbabilities(
    _ found: FoundNeighbours, _ plan: RunPlan, _ model: FittedModel, _ images: SearchedImages
  ) throws -> NeighbourTable {
    guard let classes = found.classes else { return found.table.prefix(options.neighbours) }
    let probability: any NeighbourProbability =
      plan.probabilities == .formula
      ? ProbabilityFormula() : try calibrated(plan.search.repeating(found), found, model, images)
    let result = try NeighbourFeatureExtraction(
      basis: model.basis, source: classes.observed(by: images.stoppable.observer)
    ).withProbabilities(
      found.table, best: neighboursWithProbability(of: found.table.neighboursPerImage),
      probability, keepRegressors: options.keepsPairFeatures)
    return options.isLengthAutomatic ? result.confident(options.confidence) : result
  }

  /// The probabilities of this model's neighbours, by the same search among simulated images. Collective.
  private func calibrated(
    _ search: any NeighbourSearch, _ own: FoundNeighbours, _ model: FittedModel,
    _ images: SearchedImages
  ) throws -> any NeighbourProbability {
    let context = images.context.observed(
      by: PrefixedObserver(StageName.calibrationPart, images.context.observer))
    let checkpoints = images.checkpoints?.ofCalibration()
    let calm = context.stoppable(by: checkpoints?.stop)
    let particle =
      try own.particle
      ?? SearchedImages(
        model: images.model, statistics: images.statistics, rows: images.rows,
        groups: images.groups, context: context, checkpoints: checkpoints
      ).matchedParticle(to: own, seed: options.seed)
    let (made, clean, statistics) = try simulated(of: particle, like: model, calm.observer)
    // Too little signal to say anything.
    if clean.posterior.layout.componentCount == 0 { return ProbabilityFormula() }
    let found = try search.neighbours(
      of: SearchedImages(
        model: clean, statistics: statistics,
        rows: try CoefficientStore(statistics, partition: model.partition, on: comm),
        groups: images.groups, context: context, checkpoints: checkpoints))
    guard let classes = found.classes else { return ProbabilityFormula() }
    calm.observer.stageBegan(StageName.fit, items: 0)
    defer { calm.observer.stageEnded() }
    let unmodelled = try UnmodelledSignal(
      model.survey.statistics,
      spectrum: SpectrumTail(of: model.estimate.debiased, ranks: model.estimate.ranks),
      basis: model.basis, mean: model.estimate.mean, covariance: particle.covariance)
    return try ProbabilityCalibration(
      basis: model.basis, source: classes.observed(by: calm.observer), clean: made.clean,
      unmodelled: unmodelled
    ).fit(found.table, neighbours: neighboursWithProbability(of: classes.rule.members))
  }

  /// How many of an image's neighbours have a probability: all where lists are cut by it.
  private func neighboursWithProbability(of members: Int) -> Int {
    options.isLengthAutomatic ? members : options.neighbours
  }

  /// Images of a particle like those of a run, a model fitted to them all as to the run's own, and their
  /// statistics in it. Collective.
  private func simulated(
    of particle: VolumeEstimate, like model: FittedModel, _ observer: any StageObserver
  ) throws -> (images: SimulatedImages, clean: CleanModel, statistics: SteerableCoefficients) {
    let groups = model.groups.groupOfParticle
    let own = model.partition.range(of: comm.rank)
    let imageModel = ImageModel(
      basis: model.basis, groups: model.groups, noise: model.survey.noise)
    let variance = model.survey.whiteVariance
    observer.stageBegan(StageName.images, items: own.count)
    let images = try SimulatedImages(
      of: particle, mean: model.estimate.mean, model: imageModel, noiseVariance: variance,
      groups: groups, own: own, seed: options.seed, threads: options.model.threads,
      observer: observer)
    observer.stageEnded()
    observer.stageBegan(StageName.covariance, items: own.count)
    defer { observer.stageEnded() }
    let moments = try GroupMoments(
      of: images.statistics, groups: groups[own], groupCount: model.groups.count,
      imageCount: groups.count, on: comm, observer: observer)
    let estimate = try MeanAndCovariance(
      moments: moments, model: imageModel, noiseVariance: variance,
      shrinkage: options.model.shrinkage, on: comm)
    let posterior = try PosteriorModel(
      estimate: estimate, model: imageModel, noiseVariance: variance)
    return (
      images, CleanModel(basis: model.basis, estimate: estimate, posterior: posterior),
      posterior.sufficientStatistics(of: images.statistics, groups: groups[own])
    )
  }
}
