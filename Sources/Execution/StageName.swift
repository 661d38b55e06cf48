/// The names of a run's stages: those who begin them, the cost model and whoever looks for one in a run record mean
/// the same ones.
public enum StageName {
  /// The particles are read.
  public static let input = "input"
  /// The first look at every image.
  public static let survey = "survey"
  /// Particles are looked for in their boxes; before the stages of the searches that it takes.
  public static let centring = "centring"
  /// Images become coefficients.
  public static let coefficients = "coefficients"
  /// Mean and covariance of the clean images.
  public static let covariance = "covariance"
  /// The search among all pairs of images.
  public static let allPairs = "all pairs"
  /// The search's candidates are ranked.
  public static let affinity = "affinity"
  /// Rotationally invariant features.
  public static let invariants = "invariants"
  /// The search by them.
  public static let suspects = "suspects"
  /// The comparison of all images with reference classes.
  public static let referenceClasses = "reference classes"
  /// Images that share reference classes are compared.
  public static let candidates = "candidates"
  /// The rounds in which reference classes are made anew.
  public static let coAssignment = "co-assignment"
  /// The volume that class averages are matched by.
  public static let volume = "volume"
  /// The comparison with its slices.
  public static let projections = "projections"
  /// The vector diffusion map.
  public static let diffusionMap = "diffusion map"
  /// The search by it.
  public static let diffusionSearch = "diffusion search"
  /// What it found is aligned.
  public static let alignment = "alignment"
  /// Simulated images are made.
  public static let images = "images"
  /// Probabilities are fitted to simulated images.
  public static let fit = "fit"
  /// Neighbours get their probabilities.
  public static let probabilities = "probabilities"
  /// Neighbour lists are written.
  public static let lists = "lists"
  /// Averages are made and written.
  public static let averages = "averages"
  /// Denoised images are made and written.
  public static let denoising = "denoising"
  /// Eigenimages are written.
  public static let eigenimages = "eigenimages"
  /// Everything is on the disk.
  public static let finish = "finish"

  /// A pass among classes; the first one is the search among single images.
  public static func pass(_ number: Int) -> String { "\(passes) \(number)" }
  /// What the names of passes begin with.
  public static let passes = "pass"

  /// What stages begin with that a sample of the images, the reference classes, goes through.
  public static let referencePart = "references"
  /// What stages begin with that simulated images go through.
  public static let calibrationPart = "calibration"
  /// A stage of a part of the run.
  public static func stage(_ name: String, of part: String) -> String { "\(part)/\(name)" }
}
