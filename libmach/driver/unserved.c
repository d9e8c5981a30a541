/* unserved.c - device.defs as a server answers that has only some of its routines: each can be
 * defined by the server itself, and takes the place of the one here then. */
#include <device_server.h>
#include <mach/device_types.h>

#define UNSERVED __attribute__((weak))

UNSERVED kern_return_t ds_device_open(mach_port_t master, mach_port_t reply_port,
                                      mach_msg_type_name_t poly, dev_mode_t mode, const char *name,
                                      mach_port_t *device, mach_msg_type_name_t *device_poly)
{
    (void)master, (void)reply_port, (void)poly, (void)mode, (void)name;
    (void)device, (void)device_poly;
    return D_INVALID_OPERATION;
}

UNSERVED kern_return_t ds_device_open_new(mach_port_t master, mach_port_t reply_port,
                                          mach_msg_type_name_t poly, dev_mode_t mode,
                                          const char *name, mach_port_t *device,
                                          mach_msg_type_name_t *device_poly)
{
    (void)master, (void)reply_port, (void)poly, (void)mode, (void)name;
    (void)device, (void)device_poly;
    return D_INVALID_OPERATION;
}

UNSERVED kern_return_t ds_device_close(mach_port_t device)
{
    (void)device;
    return D_INVALID_OPERATION;
}

UNSERVED kern_return_t ds_device_write(mach_port_t device, mach_port_t reply_port,
                                       mach_msg_type_name_t poly, dev_mode_t mode, recnum_t recnum,
                                       io_buf_ptr_t data, mach_msg_type_number_t count,
                                       int *written)
{
    (void)device, (void)reply_port, (void)poly, (void)mode, (void)recnum;
    (void)data, (void)count, (void)written;
    return D_INVALID_OPERATION;
}

UNSERVED kern_return_t ds_device_write_inband(mach_port_t device, mach_port_t reply_port,
                                              mach_msg_type_name_t poly, dev_mode_t mode,
                                              recnum_t recnum, io_buf_ptr_inband_t data,
                                              mach_msg_type_number_t count, int *written)
{
    (void)device, (void)reply_port, (void)poly, (void)mode, (void)recnum;
    (void)data, (void)count, (void)written;
    return D_INVALID_OPERATION;
}

UNSERVED kern_return_t ds_device_read(mach_port_t device, mach_port_t reply_port,
                                      mach_msg_type_name_t poly, dev_mode_t mode, recnum_t recnum,
                                      int wanted, io_buf_ptr_t *data, mach_msg_type_number_t *count)
{
    (void)device, (void)reply_port, (void)poly, (void)mode, (void)recnum;
    (void)wanted, (void)data, (void)count;
    return D_INVALID_OPERATION;
}

UNSERVED kern_return_t ds_device_read_inband(mach_port_t device, mach_port_t reply_port,
                                             mach_msg_type_name_t poly, dev_mode_t mode,
                                             recnum_t recnum, int wanted, io_buf_ptr_inband_t data,
                                             mach_msg_type_number_t *count)
{
    (void)device, (void)reply_port, (void)poly, (void)mode, (void)recnum;
    (void)wanted, (void)data, (void)count;
    return D_INVALID_OPERATION;
}

UNSERVED kern_return_t ds_device_map(mach_port_t device, vm_prot_t prot, vm_offset_t offset,
                                     vm_size_t size, mach_port_t *pager, int unmap)
{
    (void)device, (void)prot, (void)offset, (void)size, (void)pager;
    (void)unmap;
    return D_INVALID_OPERATION;
}

UNSERVED kern_return_t ds_device_set_status(mach_port_t device, dev_flavor_t flavor,
                                            dev_status_t status, mach_msg_type_number_t count)
{
    (void)device, (void)flavor, (void)status, (void)count;
    return D_INVALID_OPERATION;
}

UNSERVED kern_return_t ds_device_get_status(mach_port_t device, dev_flavor_t flavor,
                                            dev_status_t status, mach_msg_type_number_t *count)
{
    (void)device, (void)flavor, (void)status, (void)count;
    return D_INVALID_OPERATION;
}

UNSERVED kern_return_t ds_device_set_filter(mach_port_t device, mach_port_t receive_port,
                                            int priority, filter_array_t filter,
                                            mach_msg_type_number_t count)
{
    (void)device, (void)receive_port, (void)priority, (void)filter, (void)count;
    return D_INVALID_OPERATION;
}

UNSERVED kern_return_t ds_device_intr_register(mach_port_t device, int id, int flags,
                                               mach_port_t receive_port)
{
    (void)device, (void)id, (void)flags, (void)receive_port;
    return D_INVALID_OPERATION;
}

UNSERVED kern_return_t ds_device_intr_ack(mach_port_t device, mach_port_t receive_port)
{
    (void)device, (void)receive_port;
    return D_INVALID_OPERATION;
}
