import ArgumentParser
import ClassAveraging
import Foundation
import ImageModel
import MPI
import Planning
import Report

/// `kindred plan`: what a run will take, before it is started.
struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Predict time, memory and messages of average, and how many ranks pay.",
    discussion: """
      A model of all pairs and of landmarks with constants of the machine. Measure these once with --calibrate, \
      under mpirun as the job will be run, on all cores of a node: it takes less than a minute. Without \
      that, constants of a 2.6 GHz server are used. How many components an image has depends on the \
      images: take them from a run with fewer of them by --like.
      """)

  @Flag(help: "Measure this machine's constants and keep them.")
  var calibrate = false

  @Option(
    help: "File of the constants; default: kindred/machine.json in $XDG_CONFIG_HOME or ~/.config.")
  var machine: String?

  @Option(help: "Images that --calibrate simulates.")
  var calibrationImages = Calibration().images

  @Option(help: "Folder, seen by all nodes, for the images that --calibrate simulates and removes.")
  var scratch = Calibration().scratch

  @Option(help: "Folder of a run of average: what is not given here is taken from its run.json.")
  var like: String?

  @Option(help: "Number of images.")
  var images: Int?

  @Option(help: "Edge of the images in pixels.")
  var box: Int?

  @Option(help: "Number of ranks.")
  var ranks = 1

  @Option(help: "Threads of each rank.")
  var threads = ModelOptions().threads

  @Option(help: "Nodes that the ranks are spread over.")
  var nodes = 1

  @Option(help: "Cores of a node; with it, ranks and threads are advised.")
  var coresPerNode: Int?

  @Option(help: "Memory of a node in GiB.")
  var memoryPerNode: Double?

  @Option(help: "all-pairs, landmarks, or what auto takes for so many images; default: auto.")
  var search = AverageOptions().search

  @Option(help: "Passes; default: \(PlannedJob.usualPasses), or as in --like.")
  var passes: Int?

  @Option(
    help:
      "Rounds of co-assignment after the passes; default: \(AveragePipeline.rounds), or as in --like."
  )
  var rounds: Int?

  @Option(
    help:
      "Slices of a volume after the rounds; default: \(AverageOptions().slices), or as in --like.")
  var slices: Int?

  @Option(
    help: "Neighbours of each image, K; default: \(AverageOptions().neighbours), or as in --like.")
  var neighbours: Int?

  @Option(help: "Defocus groups; default: \(ModelOptions().defocusGroups), or as in --like.")
  var defocusGroups: Int?

  @Option(help: "Components of an image; default: half of the basis, or as in --like.")
  var components: Int?

  @Option(
    help: "Band limit in cycles per pixel; default: \(PlannedJob.usualBandLimit), or as in --like.")
  var bandLimit: Double?

  @Option(help: "Particle radius in pixels; default: half the box, or as in --like.")
  var radius: Double?

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  func validate() throws {
    let counts: [(String, Int?, Int)] = [
      ("calibration-images", calibrationImages, 300), ("images", images, 2), ("box", box, 8),
      ("ranks", ranks, 1), ("threads", threads, 1), ("nodes", nodes, 1),
      ("cores-per-node", coresPerNode, 1), ("passes", passes, 1), ("rounds", rounds, 0),
      ("slices", slices, 0),
      ("neighbours", neighbours, 1),
      ("defocus-groups", defocusGroups, 1), ("components", components, 1),
    ]
    for case (let name, let value?, let least) in counts where value < least {
      throw ValidationError("--\(name) is \(value); at least \(least) expected.")
    }
    if let rounds, rounds > 0, passes == 1 {
      throw ValidationError(
        "--rounds is \(rounds), but rounds follow passes among classes: more than one pass expected."
      )
    }
    if let memoryPerNode, !(memoryPerNode > 0 && memoryPerNode.isFinite) {
      throw ValidationError("--memory-per-node is \(memoryPerNode); a positive number expected.")
    }
    if let bandLimit, !(bandLimit > 0 && bandLimit <= 0.5) {
      throw ValidationError("--band-limit is \(bandLimit); above 0, at most 0.5 expected.")
    }
    if let radius, !(radius >= 2 && radius.isFinite) {
      throw ValidationError("--radius is \(radius); at least 2 expected.")
    }
    if search == .rir || search == .vdm {
      throw ValidationError(
        "--search is \(search.rawValue); all-pairs, landmarks or auto expected: there is no model of others."
      )
    }
    if !calibrate && like == nil && (images == nil || box == nil) {
      throw ValidationError("Give --images and --box, or --like a run, or --calibrate.")
    }
  }

  func run() throws {
    Universe.run(ErrorText.speaker) { comm in
      if calibrate { try measure(comm) }
      if images == nil && like == nil { return }
      try comm.agree {
        if !comm.isRoot { return }
        let model = CostModel(machine: try MachineChoice.machine(at: machine))
        let plan = try Plan(
          try job(), model: model, ranks: ranks, threads: threads, nodes: nodes)
        let report = PlanReport(
          plan, coresPerNode: coresPerNode, memoryPerNode: memoryPerNode.map { $0 * 1_073_741_824 })
        print(json ? try report.json() : report.text, terminator: "")
      }
    }
  }

  private func measure(_ comm: Communicator) throws {
    var calibration = Calibration()
    calibration.images = calibrationImages
    calibration.threads = threads
    calibration.scratch = scratch
    try comm.agree {
      if calibrationImages / 3 < 16 * comm.size {
        throw CommandError(
          "--calibration-images is \(calibrationImages) for \(comm.size) ranks; at least "
            + "\(48 * comm.size) expected")
      }
    }
    let start = Communicator.wallTime()
    let measured = try calibration.run(on: comm)
    try comm.agree {
      if !comm.isRoot { return }
      let path = machine ?? Machine.defaultPath
      try measured.write(to: path)
      writeToStandardError(
        "calibrated in \(Format.duration(Communicator.wallTime() - start)): \(path)\n")
    }
  }

  private func job() throws -> PlannedJob {
    var job: PlannedJob
    if let like {
      let file = like + "/run.json"
      let known = try PlannedJob(try RunRecord.read(from: file), file: file)
      job = PlannedJob(
        images: images ?? known.images, box: box ?? known.box,
        bandLimit: bandLimit ?? known.bandLimit,
        radius: radius ?? known.radius * Double(box ?? known.box) / Double(known.box))
      (job.components, job.groups) = (known.components, known.groups)
      (job.neighbours, job.passes) = (known.neighbours, known.passes)
      (job.references, job.referencePasses) = (known.references, known.referencePasses)
      (job.rounds, job.projections) = (known.rounds, known.projections)
      if known.averages < known.images { job.averages = min(known.averages, job.images) }
    } else {
      job = PlannedJob(
        images: images!, box: box!, bandLimit: bandLimit ?? PlannedJob.usualBandLimit,
        radius: radius)
    }
    if let components { job.spread(components) }
    job.groups = defocusGroups ?? job.groups
    job.neighbours = neighbours ?? job.neighbours
    job.rounds = rounds ?? job.rounds
    job.projections = slices ?? job.projections
    if let passes { (job.passes, job.referencePasses) = (passes, passes) }
    job.search =
      search == .auto
      ? SearchCost.automaticSearch(images: job.images, layout: job.layout) : search
    try job.validate()
    return job
  }
}
