import ClassAveraging
import Execution
import Foundation
import ImageModel
import MPI
import ParticleIO
import Report
import Simulation

/// Measures the constants of the cost model: simulates images, averages a third of them and all of them, and
/// takes the processor time of each stage apart by the model's formulas. Under mpirun the network's constants
/// are measured too.
///
/// Processor time, not wall time, so that other programs on the machine disturb little. All ranks work at the
/// same time: what they take from one another (clock rate, memory) is part of the constants.
public struct Calibration {
  /// Images of the larger run.
  public var images = 10_000
  /// Edge of an image in pixels.
  public var box = 65
  /// Threads of each rank.
  public var threads = 1
  /// A folder that all ranks see, for the images; a temporary one is made in it and removed.
  public var scratch = "."

  /// The defaults.
  public init() {}

  /// What one run showed.
  struct Sample {
    var job: PlannedJob
    var table: StageTable
    /// Processor seconds of writing the averages.
    var writing: Double
    /// Processor seconds of making the eigenimages once.
    var eigenimages: Double

    func stage(_ name: String) -> StageSummary? { table.stages.first { $0.name == name } }
  }

  /// Measures. Collective; the same constants on every rank.
  /// - Throws: `ReportedError` on all ranks where the scratch folder cannot be written; `MPIError`.
  public func run(on comm: Communicator) throws -> Machine {
    let folder = try comm.broadcast(
      scratch + "/kindred-calibration-\(UInt32.random(in: 0...UInt32.max))")
    defer { if comm.isRoot { try? FileManager.default.removeItem(atPath: folder) } }
    var parameters = SimulationParameters()
    parameters.images = images
    // As noisy as images often are: easy ones have fewer distinct pairs among their candidates.
    parameters.signalToNoiseRatio = 1.0 / 80
    // The same particle, whatever its pixels.
    parameters.pixelSize *= 65 / Double(box)
    let simulated = SimulationFolder(path: folder)
    try Simulation.run(
      parameters, map: GaussianPhantom.ribosomeLike(boxSize: box), folder: simulated, on: comm)
    var samples: [Sample] = []
    // Few images with long lists, many with short ones: what goes with pairs is told from what goes with lists.
    for (count, neighbours) in [(images / 3, 60), (images, 10)] {
      samples.append(
        try sample(
          simulated, folder: folder, count: count, neighbours: min(neighbours, count - 1), on: comm)
      )
    }
    let network = try NetworkProbe(comm).measure()
    let products = try SearchBenchmark().matrixProductRate(on: comm)
    var machine = Self.fit(samples[0], samples[1], matrixProductRate: products)
    machine.storedByte = try StorageProbe(folder: folder).measure(on: comm)
    machine.name =
      "constants measured on \(Communicator.hostName), \(comm.size) ranks of \(threads) threads"
    if let network { (machine.latency, machine.bandwidth) = network }
    return try JSONDecoder().decode(
      Machine.self, from: Data(comm.broadcast([UInt8](try JSONEncoder().encode(machine)))))
  }

  /// Averages the first `count` images.
  private func sample(
    _ simulated: SimulationFolder, folder: String, count: Int, neighbours: Int,
    on comm: Communicator
  ) throws -> Sample {
    let clock = StageClock(silentOn: comm)
    clock.stageBegan(StageName.input, items: 0)
    var set = try ParticleSet.read(starFile: simulated.particlesSTAR, ctf: .required, on: comm)
    let read = set.particles.count
    if count < read { set = set.selecting(Array(0..<count)) }
    var options = AverageOptions()
    options.search = .allPairs
    options.passes = 2
    // Made of what the other stages are made of.
    options.rounds = 0
    // A simulation would be the same work again, and tell nothing new.
    options.probabilities = .formula
    options.neighbours = neighbours
    options.model.threads = threads
    let pipeline = AveragePipeline(options: options, on: comm, observer: clock)
    let found = try pipeline.findNeighbours(set)
    let survey = found.model.survey
    let averages = survey.particles.particles.count
    let stack = TimedStack(
      try MRCWriter.shared(
        path: "\(folder)/averages-\(count).mrcs", width: box, height: box, sections: averages,
        pixelSize: set.pixelSize, content: .imageStack, on: comm), on: comm)
    _ = try pipeline.average(found, count: averages, into: stack)
    let writing = try comm.allreduce(stack.writing)
    let table = try clock.finish(comm)
    let began = ProcessorTime.thread()
    _ = ImageSynthesis(found.model.posterior, basis: found.model.basis)
    let eigenimages = ProcessorTime.thread() - began
    try comm.agree { if comm.isRoot { try stack.stack.finish() } }
    var job = PlannedJob(found.model, options: options)
    job.averages = job.images
    // The whole STAR file was read.
    var sample = Sample(job: job, table: table, writing: writing, eigenimages: eigenimages)
    if let at = sample.table.stages.firstIndex(where: { $0.name == StageName.input }) {
      let share = Double(job.images) / Double(read)
      sample.table.stages[at].rankProcessorSeconds =
        sample.table.stages[at].rankProcessorSeconds.map { $0 * share }
    }
    return sample
  }
}

/// Writes averages and takes the time.
private final class TimedStack: ImageSink {
  let stack: MRCWriter
  private let comm: Communicator
  /// Processor seconds of this rank.
  private(set) var writing = 0.0

  init(_ stack: MRCWriter, on comm: Communicator) {
    self.stack = stack
    self.comm = comm
  }

  func write(_ images: UnsafeBufferPointer<Float>, from first: Int) throws {
    let start = ProcessorTime.thread()
    try stack.write(images, section: first)
    writing += ProcessorTime.thread() - start
  }

  func complete() throws { try stack.collect(on: comm) }
}

extension PlannedJob {
  /// The job that a model was fitted for.
  init(_ model: FittedModel, options: AverageOptions) {
    self.init(
      images: model.partition.total, box: model.basis.size, bandLimit: model.basis.bandLimit,
      radius: model.basis.radius)
    let layout = model.posterior.layout
    components = [Int](repeating: 0, count: (layout.frequencies.last ?? 0) + 1)
    for (block, k) in layout.frequencies.enumerated() {
      components[k] = layout.components(ofBlock: block).count
    }
    groups = model.groups.count
    neighbours = options.neighbours
    passes = options.passes ?? passes
    rounds = options.rounds ?? rounds
  }
}
