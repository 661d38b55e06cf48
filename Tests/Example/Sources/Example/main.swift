// Simulates particles in a folder, reads them like any others, and fits the model of their clean images:
//
//     mpirun -n 2 Example FOLDER

import Execution
import ImageModel
import MPI
import ParticleIO
import Simulation

Universe.run { comm in
  let folder = CommandLine.arguments[1]
  var parameters = SimulationParameters()
  (parameters.images, parameters.signalToNoiseRatio) = (300, 0.5)
  try Simulation.run(
    parameters, map: GaussianPhantom.ribosomeLike(boxSize: 24),
    folder: SimulationFolder(path: folder), overwrite: true, on: comm)

  let set = try ParticleSet.read(
    starFile: "\(folder)/particles.star", ctf: .required, on: comm)
  let model = try FittedModel(set, options: ModelOptions(), on: comm, observer: SilentObserver())
  if comm.isRoot {
    print(
      "\(set.particles.count) particles, \(model.groups.count) defocus groups,",
      "\(model.posterior.layout.componentCount) components above the noise")
  }
}
