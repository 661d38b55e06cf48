import Execution
import Foundation
import ImageModel
import MPI
import ParticleIO
import Resume

/// The main job (the paper's Fig. 1): particles in; neighbours and class averages out.
public struct AveragePipeline {
  /// What the run is to do.
  public let options: AverageOptions
  /// The ranks that take part.
  public let comm: Communicator
  /// Told how far the run has come.
  public let observer: any StageObserver
  /// Where the run is saved, and goes on from; nil for a run that leaves no checkpoints.
  public let checkpoints: Checkpoints?

  /// A run over the ranks of `comm`.
  public init(
    options: AverageOptions, on comm: Communicator, observer: any StageObserver,
    checkpoints: Checkpoints? = nil
  ) {
    self.options = options
    self.checkpoints = checkpoints
    self.comm = comm
    self.observer = observer
  }

  /// Everything up to the neighbours. Collective.
  public struct Neighbours {
    /// The fitted model, with this rank's images in it.
    public let model: FittedModel
    /// On every rank; indices among the images that take part.
    public let table: NeighbourTable
    /// How suspects were found: not `auto`.
    public let search: SearchMethod
    /// What the passes after the first did.
    public let passes: [RefinementReport]
    let rows: CoefficientStore
  }

  /// Fits the model, finds suspects and ranks them. Collective.
  /// - Throws: `Interruption` where the run was asked to stop.
  public func findNeighbours(_ set: ParticleSet) throws -> Neighbours {
    try comm.agree { try options.validate(images: set.particles.count, ranks: comm.size) }
    let restored = try checkpoints?.restoredModel(set, options: options.model)
    var model =
      try restored
      ?? Centring(
        of: set, options: options.model, on: comm, observer: observer, stop: checkpoints?.stop
      ).model()
    let images = model.partition.total
    try comm.agree { try options.validate(images: images, ranks: comm.size) }
    if restored == nil { try checkpoints?.save(model) }
    try checkpoints?.stop.throwIfAgreed()
    model = try centred(model, of: set)
    let rows = try CoefficientStore(model.statistics, partition: model.partition, on: comm)
    let plan = try comm.agree {
      try RunPlan(
        options, images: images, layout: model.posterior.layout,
        probabilitiesHold: !model.survey.findings.isMasked && model.survey.centring.scatter == 0)
    }
    let saved = try checkpoints?.restoredNeighbours(
      images: images, neighbours: options.neighbours)
    let (table, passes) =
      try saved
      ?? neighbours(
        plan, model,
        SearchedImages(
          model: model.clean, statistics: model.statistics, rows: rows,
          groups: model.groups.groupOfParticle, context: context, checkpoints: checkpoints))
    if saved == nil { try checkpoints?.save(neighbours: table, reports: passes) }
    try checkpoints?.stop.throwIfAgreed()
    return Neighbours(model: model, table: table, search: plan.kind, passes: passes, rows: rows)
  }

  private var context: RunContext {
    RunContext(comm: comm, threads: options.model.threads, observer: observer)
  }

  /// The table of one search, on every rank, and what its passes did.
  private func neighbours(_ plan: RunPlan, _ model: FittedModel, _ images: SearchedImages) throws
    -> (NeighbourTable, [RefinementReport])
  {
    let found = try plan.search.neighbours(of: images)
    let table =
      plan.probabilities == .none
      ? found.table.prefix(options.neighbours)
      : try withProbabilities(found, plan, model, images)
    return (found.inFileOrder(table), found.reports)
  }

  /// Rounds of co-assignment before slices, where nobody asks for others.
  public static let rounds = CoAssignment.rounds

  /// Candidates that all pairs keep beyond the neighbours asked for.
  public static let margin = AllPairsNeighbours.margin

  /// Computes the averages of the first `count` images that take part, each on one rank, which gives them to its
  /// `sink`; none where that is nil. Collective.
  /// - Returns: what makes images of coordinates.
  public func average(
    _ neighbours: Neighbours, count: Int, into sink: (some ImageSink)?
  ) throws -> ImageSynthesis {
    observer.stageBegan(StageName.averages, items: count)
    let synthesis = ImageSynthesis(
      neighbours.model.posterior, basis: neighbours.model.basis,
      scale: neighbours.model.outputScale)
    let averages = ClassAverages(
      model: neighbours.model, rows: neighbours.rows, synthesis: synthesis,
      threads: options.model.threads, comm: comm, observer: observer)
    if let sink {
      try averages.stream(neighbours.table, count: count, into: sink) {
        if comm.isRoot { try checkpoints?.stop.throwIfAsked() }
      }
    }
    observer.stageEnded()
    return synthesis
  }
}
