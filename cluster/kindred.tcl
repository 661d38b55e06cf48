#%Module1.0
# Environment module of Kindred, for Environment Modules and Lmod. Copy it to a folder of MODULEPATH, under
# the name kindred/VERSION, and set the four variables.

set root   /opt/kindred         ;# Kindred is in $root/bin
set mpi    openmpi              ;# the module of the Open MPI that Kindred was built with; "" for none
set swift  ""                   ;# the Swift toolchain's usr folder; "" where Kindred has its libraries inside
set built  ""                   ;# the folder of the libraries that `setup` has built (RHEL); "" for none

proc ModulesHelp {} {
  puts stderr "Kindred: class averages of cryo-EM particle images. mpirun -n RANKS kindred average --help"
}
module-whatis "Kindred: class averages of cryo-EM particle images, over MPI"
conflict kindred

if {$mpi ne "" && ![is-loaded $mpi]} { module load $mpi }
prepend-path PATH $root/bin
if {$swift ne ""} { prepend-path LD_LIBRARY_PATH $swift/lib/swift/linux }
if {$built ne ""} { prepend-path LD_LIBRARY_PATH $built/lib }
# MPI shares the work: a BLAS with threads of its own would only get in the ranks' way.
setenv OPENBLAS_NUM_THREADS 1
