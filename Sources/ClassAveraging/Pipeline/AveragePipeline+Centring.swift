import Execution
import ImageModel
import ParticleIO

extension AveragePipeline {
  /// Searches for classes that particles are centred by, at most.
  private static let mostCentrings = 3
  /// Looks at the images by the classes of one search.
  private static let looksPerSearch = 2
  /// Where particles move by less than this share of their scatter, they are centred.
  private static let leastMove = 0.1

  /// What a search is given that leaves no checkpoints. Collective.
  private func searched(_ model: FittedModel, _ context: RunContext) throws -> SearchedImages {
    SearchedImages(
      model: model.clean, statistics: model.statistics,
      rows: try CoefficientStore(model.statistics, partition: model.partition, on: comm),
      groups: model.groups.groupOfParticle, context: context, checkpoints: nil)
  }

  /// The model of the images with their particles centred by their classes, where a first look has shown that particles
  /// lie off the centres of their boxes: classes are found, the particles centred by them, and so on (method E.21).
  /// Collective.
  func centred(_ first: FittedModel, of set: ParticleSet) throws -> FittedModel {
    var model = first
    while model.survey.centring.scatter > 0, !model.survey.centring.isComplete {
      let centring = Centring(
        of: set, options: options.model, on: comm, observer: SilentObserver(),
        stop: checkpoints?.stop)
      let calm = RunContext(
        comm: comm, threads: options.model.threads,
        observer: PrefixedObserver(StageName.centring, observer)
      ).stoppable(by: checkpoints?.stop)
      let before = centring.displacements(in: model.survey)
      let images = try searched(model, calm)
      let found = try options.centringSearch(
        images: images.count, layout: model.posterior.layout
      ).neighbours(of: images)
      let table = found.inFileOrder(found.table)
      observer.stageBegan(StageName.centring, items: 0)
      for _ in 0..<Self.looksPerSearch {
        var classes = try searched(model, calm).classes(members: table.neighboursPerImage)
        classes.rule = found.classes?.rule ?? classes.rule
        model = try centring.fitted(
          ClassCentring(centring: centring, context: calm).centred(model, classes, table))
      }
      let moves = zip(before, centring.displacements(in: model.survey)).map { $1 - $0 }
      let square = moves.reduce(0.0) { $0 + Double(($1 * $1).sum()) } / Double(2 * moves.count)
      model.survey.centring.rounds += 1
      model.survey.centring.isComplete =
        square.squareRoot() < Self.leastMove * model.survey.centring.scatter
        || model.survey.centring.rounds >= Self.mostCentrings
      try checkpoints?.save(model)
      observer.stageEnded()
    }
    return model
  }
}
